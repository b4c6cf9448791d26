#include "worker/questions.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"
#include "runtime/planted.hpp"
#include "worker/partitions.hpp"
#include "worker/runner.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using broker::Question;
using redis::CallEnd;

namespace {

// Longer than anybody waits for answers.
constexpr std::chrono::milliseconds answers_kept = std::chrono::minutes(1);

}  // namespace

Questions::Questions(Others others, runtime::Scope& scope) : others_(others), scope_(scope) {}

Questions::~Questions() = default;

void Questions::add([[maybe_unused]] const Topic& topic) {
  assert(topic.id == open_.size() && "topics are added in order");
  open_.emplace_back();
}

void Questions::heard(Source& source, std::string_view payload) {
  std::optional<Question> question = broker::read_question(payload);
  if (!question) return;  // of a later version
  if (question->kind == Question::Kind::interrupt) {
    const bool yes = others_.runner.interrupt(source, question->id);
    answer(source, *question, yes);
  } else {
    answer_if_paused(source, std::move(*question));
  }
}

void Questions::answer_if_paused(Source& source, Question question) {
  if (others_.partitions.follows(source.topic) >= question.version ||
      MX_RMQ_PLANTED("says_it_is_paused_before_it_knows")) {
    answer(source, question, true);
    return;
  }
  std::vector<Open>& open = open_[source.topic.id];
  const bool again = std::ranges::any_of(open, [&](const Open& each) {
    return each.source == &source && each.question.token == question.token;
  });
  const std::int64_t version = question.version;
  if (!again) open.push_back(Open{&source, std::move(question)});
  others_.partitions.look(source.topic, version);
}

void Questions::follows(const Topic& topic, std::int64_t version) {
  std::vector<Open>& open = open_[topic.id];
  std::erase_if(open, [this, version](const Open& each) {
    if (each.question.version > version) return false;
    answer(*each.source, each.question, true);
    return true;
  });
}

void Questions::answer(Source& source, const Question& question, bool yes) {
  try {
    scope_.spawn(send_answer(&source, question.token, yes));
  } catch (const ShutdownError&) {
    return;  // the queue ends, and this consumer leaves
  }
}

Task<> Questions::send_answer(Source* source, std::string token, bool yes) {
  const std::string name = source->consumer.name();
  broker::Answer::Args args;
  args.token = token;
  args.consumer = name;
  args.yes = yes;
  args.kept = answers_kept;
  CallEnd end;
  try {
    co_await source->broker.call<broker::Answer>(args, source->consumer.command_deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  // It is asked again, or whoever asked says that it has no answer.
  if (!end.answered()) source->consumer.failed("answer", end.what());
}

}  // namespace mx_rmq::worker
