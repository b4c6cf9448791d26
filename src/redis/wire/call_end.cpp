#include "redis/wire/call_end.hpp"

#include <cassert>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/protocol_error.hpp"
#include "redis/wire/script_error.hpp"

namespace mx_rmq::redis {

CallEnd::CallEnd(std::exception_ptr error) : error_(std::move(error)) {
  assert(error_ != nullptr && "a call that did not fail was answered");
  // The derived before their bases.
  try {
    std::rethrow_exception(error_);
  } catch (const ScriptError&) {
    kind_ = Kind::half_done;
  } catch (const OutcomeUnknown&) {
    kind_ = Kind::no_reply;
  } catch (const ConnectionError&) {
    kind_ = Kind::not_sent;
  } catch (const TimeoutError&) {
    kind_ = Kind::too_late;
  } catch (const ServerError& refusal) {
    remedy_ = classify(refusal.code()).remedy;
    kind_ = passing(remedy_) ? Kind::not_now : Kind::refused;
  } catch (const ShutdownError&) {
    kind_ = Kind::shut_down;
  } catch (const ProtocolError&) {
    kind_ = Kind::bad_reply;
  } catch (...) {
    kind_ = Kind::broken;
  }
}

void CallEnd::rethrow() const {
  assert(error_ != nullptr && "an answered call has no error to throw");
  std::rethrow_exception(error_);
}

std::string CallEnd::what() const {
  if (error_ == nullptr) return {};
  try {
    std::rethrow_exception(error_);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an unknown error";
  }
}

}  // namespace mx_rmq::redis
