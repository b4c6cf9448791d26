#pragma once

#include <string>
#include <string_view>

#include "broker/data/envelope.hpp"
#include "broker/data/history.hpp"
#include "mx_rmq/message.hpp"

namespace mx_rmq::broker {

/// Fills in what an envelope and its history tell: all of the message but its topic and payload,
/// and of `meta` all but status, policy, and what is happening to the message now.
void describe(Message& message, const EnvelopeView& view, History history);

/// What is said of a dead letter that tells no error of its own; empty if there is nothing to say.
[[nodiscard]] std::string default_error(std::string_view reason, const EnvelopeView& view);

}  // namespace mx_rmq::broker
