#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/calls_ask.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/scope.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Partitions;
class Runner;

/// Answers what is asked of the consumers of this process over their channels: whether they begin
/// nothing more of a topic that was paused, and whether they run a message that is to be
/// interrupted. Who asks repeats a question until it is answered, so nothing here is tried again.
/// Loop thread only.
class Questions {
 public:
  /// Who knows what is set, and who runs messages.
  struct Others {
    Partitions& partitions;
    Runner& runner;
  };
  Questions(Others others, runtime::Scope& scope);
  ~Questions();
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;

  void add(const Topic& topic);
  /// Something was published to the channel of this source's consumer.
  void heard(Source& source, std::string_view payload);
  /// The settings of a topic are known up to this version, and obeyed.
  void follows(const Topic& topic, std::int64_t version);

 private:
  /// Whose answer waits for the settings to be read.
  struct Open {
    Source* source = nullptr;
    broker::Question question;
  };

  void answer_if_paused(Source& source, broker::Question question);
  void answer(Source& source, const broker::Question& question, bool yes);
  static Task<> send_answer(Source* source, std::string token, bool yes);

  const Others others_;
  runtime::Scope& scope_;
  std::deque<std::vector<Open>> open_;  // by topic
};

}  // namespace mx_rmq::worker
