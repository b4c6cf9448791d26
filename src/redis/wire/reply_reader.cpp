#include "redis/wire/reply_reader.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <new>

#include "runtime/text.hpp"

namespace mx_rmq::redis {

namespace {

// A line of RESP (a status, an error, a number, a length) is short; garbage need not be.
constexpr std::size_t max_line = std::size_t{64} << 10;
constexpr std::size_t max_length_line = 32;
constexpr std::size_t first_reservation = 1024;

// Where hiredis keeps its stack of unfinished elements differs between its versions.
template <class Reader>
const redisReadTask* current_task(const Reader* reader) {
  if (reader->ridx < 0) return nullptr;
  if constexpr (requires { reader->rstack; }) {
    return &reader->rstack[reader->ridx];
  } else {
    return reader->task[reader->ridx];
  }
}

}  // namespace

/// The functions that hiredis calls. They are called from C, so nothing may be thrown.
struct ReplyReader::Hiredis {
  redisReader* reader = nullptr;

  ~Hiredis() {
    if (reader != nullptr) redisReaderFree(reader);
  }

  static ReplyReader& self(const redisReadTask* task) noexcept {
    return *static_cast<ReplyReader*>(task->privdata);
  }
  static void* put(const redisReadTask* task, Reply value) noexcept {
    auto* parent = task->parent == nullptr ? nullptr : static_cast<Reply*>(task->parent->obj);
    return self(task).place(parent, std::move(value));
  }
  static void* out_of_memory(const redisReadTask* task) noexcept {
    self(task).refuse("out of memory");
    return nullptr;
  }

  static void* create_string(const redisReadTask* task, char* text, std::size_t size) noexcept {
    try {
      if (!self(task).within_limits(size)) return nullptr;
      switch (task->type) {
        case REDIS_REPLY_STRING:
          return put(task, Reply::string(std::string(text, size)));
        case REDIS_REPLY_STATUS:
          return put(task, Reply::status(std::string(text, size)));
        case REDIS_REPLY_ERROR:
          return put(task, Reply::error(std::string(text, size)));
        default:
          self(task).refuse("a RESP3 type");
          return nullptr;
      }
    } catch (const std::bad_alloc&) {
      return out_of_memory(task);
    }
  }

#if HIREDIS_MAJOR >= 1
  using Count = std::size_t;
#else
  using Count = int;
#endif
  static void* create_array(const redisReadTask* task, Count count) noexcept {
    try {
      if (task->type != REDIS_REPLY_ARRAY) {
        self(task).refuse("a RESP3 type");
        return nullptr;
      }
      return self(task).begin_array(
          task->parent == nullptr ? nullptr : static_cast<Reply*>(task->parent->obj),
          static_cast<std::size_t>(count), depth(task));
    } catch (const std::bad_alloc&) {
      return out_of_memory(task);
    }
  }
  static int depth(const redisReadTask* task) noexcept {
    int levels = 1;
    for (const redisReadTask* up = task->parent; up != nullptr; up = up->parent) ++levels;
    return levels;
  }

  static void* create_integer(const redisReadTask* task, long long value) noexcept {
    try {
      return put(task, Reply::integer(value));
    } catch (const std::bad_alloc&) {
      return out_of_memory(task);
    }
  }

  static void* create_nil(const redisReadTask* task) noexcept {
    try {
      if (task->type ==
          REDIS_REPLY_NIL) {  // RESP3's own; RESP2 has strings and arrays of length -1
        self(task).refuse("a RESP3 type");
        return nullptr;
      }
      return put(task, Reply::nil());
    } catch (const std::bad_alloc&) {
      return out_of_memory(task);
    }
  }

#if HIREDIS_MAJOR >= 1
  static void* create_double(const redisReadTask* task, double, char*, std::size_t) noexcept {
    self(task).refuse("a RESP3 type");
    return nullptr;
  }
  static void* create_bool(const redisReadTask* task, int) noexcept {
    self(task).refuse("a RESP3 type");
    return nullptr;
  }
#endif

  // What was built belongs to the ReplyReader.
  static void free_object(void*) noexcept {}

  static redisReplyObjectFunctions* functions() noexcept {
    static redisReplyObjectFunctions table = [] {
      redisReplyObjectFunctions f{};
      f.createString = create_string;
      f.createArray = create_array;
      f.createInteger = create_integer;
      f.createNil = create_nil;
#if HIREDIS_MAJOR >= 1
      f.createDouble = create_double;
      f.createBool = create_bool;
#endif
      f.freeObject = free_object;
      return f;
    }();
    return &table;
  }
};

ReplyReader::ReplyReader(const ReplyLimits& limits)
    : limits_(limits), hiredis_(std::make_unique<Hiredis>()) {
  hiredis_->reader = redisReaderCreateWithFunctions(Hiredis::functions());
  if (hiredis_->reader == nullptr) throw std::bad_alloc();
  hiredis_->reader->privdata = this;
  hiredis_->reader->maxbuf = std::size_t{64} << 10;
}

ReplyReader::~ReplyReader() = default;

bool ReplyReader::refuse(std::string why) noexcept {
  if (error_.empty()) error_ = std::move(why);
  return false;
}

bool ReplyReader::within_limits(std::size_t bytes) noexcept {
  bytes_ += bytes;
  if (bytes <= limits_.max_bulk && bytes_ <= limits_.max_bytes) return true;
  return refuse("a reply larger than allowed");
}

Reply* ReplyReader::place(Reply* parent, Reply value) noexcept {
  if (parent == nullptr) {
    root_ = std::move(value);
    return &root_;
  }
  // The vector may move what is in it: nothing but the last element is still being built.
  try {
    return &parent->items_.emplace_back(std::move(value));
  } catch (const std::bad_alloc&) {
    refuse("out of memory");
    return nullptr;
  }
}

Reply* ReplyReader::begin_array(Reply* parent, std::size_t count, int depth) {
  if (depth > limits_.max_depth) {
    refuse("a reply nested deeper than allowed");
    return nullptr;
  }
  if (count > limits_.max_elements - elements_) {
    refuse("a reply of more elements than allowed");
    return nullptr;
  }
  elements_ += count;
  Reply* const array = place(parent, Reply::array());
  // The count is only what the peer says: memory comes with the elements.
  if (array != nullptr) array->items_.reserve(std::min(count, first_reservation));
  return array;
}

void ReplyReader::feed(std::string_view bytes) {
  if (!error_.empty()) return;
  if (redisReaderFeed(hiredis_->reader, bytes.data(), bytes.size()) != REDIS_OK) {
    refuse(hiredis_->reader->errstr);
  }
}

ReplyReader::Status ReplyReader::next(Reply& out) {
  if (!error_.empty()) return Status::error;
  void* reply = nullptr;
  if (redisReaderGetReply(hiredis_->reader, &reply) != REDIS_OK) {
    refuse(hiredis_->reader->errstr);
    return Status::error;
  }
  if (reply != nullptr) {
    out = std::move(root_);
    root_ = Reply();
    elements_ = 0;
    bytes_ = 0;
    return Status::reply;
  }
  look_ahead();
  return error_.empty() ? Status::more : Status::error;
}

// hiredis waits for the end of whatever was announced. What is over the limits is refused as soon
// as its length is known, and a line that does not end, too.
void ReplyReader::look_ahead() {
  const redisReader* const reader = hiredis_->reader;
  const redisReadTask* const task = current_task(reader);
  if (task == nullptr || task->type < 0 || reader->pos >= reader->len) return;
  const std::string_view left(reader->buf + reader->pos, reader->len - reader->pos);
  if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_ARRAY) {
    if (left.size() > max_line) refuse("a line longer than allowed");
    return;
  }
  const std::size_t end = left.substr(0, max_length_line).find('\r');
  if (end == std::string_view::npos) {
    if (left.size() >= max_length_line) refuse("a length that is none");
    return;
  }
  std::size_t length = 0;
  const auto parsed = std::from_chars(left.data(), left.data() + end, length);
  if (parsed.ec == std::errc() && task->type == REDIS_REPLY_STRING && length > limits_.max_bulk) {
    refuse("a string of " + std::to_string(length) + " bytes, more than allowed");
  }
}

}  // namespace mx_rmq::redis
