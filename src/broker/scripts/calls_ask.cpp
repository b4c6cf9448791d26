#include "broker/scripts/calls_ask.hpp"

#include <charconv>
#include <system_error>

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

constexpr std::string_view question_mark = "q ";
constexpr std::string_view paused_word = "paused";
constexpr std::string_view interrupt_word = "interrupt";

// The text up to the next space, which is taken off with it. Without a space: nothing.
std::optional<std::string_view> take_word(std::string_view& rest) {
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view word = rest.substr(0, space);
  rest.remove_prefix(space + 1);
  return word;
}

}  // namespace

std::string encode_question(const Question& question) {
  const bool paused = question.kind == Question::Kind::paused;
  std::string out(question_mark);
  out.append(question.token).append(" ").append(paused ? paused_word : interrupt_word).append(" ");
  return out.append(paused ? std::to_string(question.version) : question.id);
}

std::optional<Question> read_question(std::string_view payload) {
  if (!payload.starts_with(question_mark)) return std::nullopt;
  payload.remove_prefix(question_mark.size());
  const std::optional<std::string_view> token = take_word(payload);
  if (!token || token->empty()) return std::nullopt;
  const std::optional<std::string_view> word = take_word(payload);
  if (!word) return std::nullopt;
  Question out;
  out.token = *token;
  if (*word == interrupt_word) {
    out.kind = Question::Kind::interrupt;
    out.id = payload;
    return out;
  }
  if (*word != paused_word) return std::nullopt;
  const char* const end = payload.data() + payload.size();
  const auto [stop, error] = std::from_chars(payload.data(), end, out.version);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

redis::Command Ask::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.consumers, keys.answers(args.token));
  out.args(args.question, args.pass_over, args.most, channels);
  return out.build();
}

Ask::Reply Ask::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.asked = fields.count();
  out.yes = fields.count();
  out.no = fields.count();
  out.deaf = fields.count();
  out.mute = fields.flag();
  fields.end();
  return out;
}

redis::Command Answer::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.consumers, keys.answers(args.token));
  out.args(args.consumer, args.yes, args.kept);
  return out.build();
}

Answer::Reply Answer::decode(redis::Reply&& reply) { return single_number(script, reply) != 0; }

}  // namespace mx_rmq::broker
