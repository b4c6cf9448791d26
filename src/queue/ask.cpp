#include "queue/ask.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "mx_rmq/runtime.hpp"
#include "runtime/backoff.hpp"

namespace mx_rmq::queue {

using broker::Ask;
using broker::Question;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

constexpr int in_a_page = 500;
// An answer takes three round trips. Who has not heard the question is asked again.
constexpr Duration first_pause = 5ms;
constexpr Duration longest_pause = 100ms;
// One that nobody listens for has died, or its connection is being made anew.
constexpr Duration patience_with_deaf = 1s;

void add(Ask::Reply& sum, const Ask::Reply& part) {
  sum.asked += part.asked;
  sum.yes += part.yes;
  sum.no += part.no;
  sum.deaf += part.deaf;
  sum.mute = sum.mute || part.mute;
}

// `broker`, `question` and `text` outlive it.
Task<Ask::Reply> ask_part(broker::TopicBroker* broker, const Question* question,
                          const std::string* text, TimePoint deadline) {
  Ask::Reply sum;
  for (;;) {
    Ask::Args args;
    args.token = question->token;
    args.question = *text;
    args.pass_over = sum.asked;
    args.most = in_a_page;
    const Ask::Reply page = co_await broker->call<Ask>(args, deadline);
    add(sum, page);
    if (page.asked < in_a_page) break;
  }
  co_return sum;
}

}  // namespace

Task<Answers> ask_all(Whole whole, Question question, Enough enough, TimePoint deadline) {
  const std::string text = broker::encode_question(question);
  runtime::EventLoop& loop = whole->part(0).broker.loop();
  runtime::Backoff pause(first_pause, longest_pause);
  const TimePoint began = loop.now();
  for (;;) {
    WholeTopic::Call<Ask::Reply> ask = [&question, &text, deadline](WholeTopic::Part& part) {
      return ask_part(&part.broker, &question, &text, deadline);
    };
    const auto ends = co_await WholeTopic::everywhere<Ask::Reply>(whole, std::move(ask));
    if (ends.error) std::rethrow_exception(ends.error);
    Ask::Reply sum;
    for (const auto& each : ends.results) add(sum, *each);
    Answers answers;
    answers.yes = sum.yes;
    answers.no = sum.no;
    answers.silent = sum.asked - sum.yes - sum.no;
    answers.deaf = sum.deaf;
    answers.mute = sum.mute;
    if (enough == Enough::one_yes && answers.yes > 0) co_return answers;
    if (answers.silent == 0 || answers.mute) co_return answers;
    const bool only_deaf = answers.silent == answers.deaf;
    const TimePoint until = only_deaf ? std::min(deadline, began + patience_with_deaf) : deadline;
    const TimePoint next = loop.now() + pause.next();
    if (next >= until) co_return answers;
    co_await sleep_for(next - loop.now());
  }
}

}  // namespace mx_rmq::queue
