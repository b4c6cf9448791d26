#include "acl_line.hpp"

namespace mxrmq {

// A test compares it with docs/operations.md, whose rights the library's own tests run with.
std::string acl_line(const std::string& user, const std::string& prefix) {
  return "user " + user + " on >secret ~" + prefix + ":* resetchannels &" + prefix +
         ":* -@all +auth +select +ping +role +time +client|id +client|setname +script|load "
         "+evalsha "
         "+exists +get +set +hdel +hexists +hget +hgetall +hincrby +hkeys +hlen +hmget +hset "
         "+hsetnx "
         "+hvals +llen +lpush +lrange +lset +ltrim +rpush +sadd +srem +sscan +unlink +zadd +zcard "
         "+zcount +zrange +zrangebyscore +zrem +zrevrange +zscore +subscribe +ssubscribe +publish "
         "+spublish +pubsub";
}

}  // namespace mxrmq
