// Each line with BAD has to be refused by the sentence after it, and by nothing else.
#include "mx_rmq/handler.hpp"
#include "mx_rmq/queue.hpp"

using mx_rmq::HandlerOptions;
using mx_rmq::ProduceOptions;
using mx_rmq::RetryAfter;
using mx_rmq::RetryPolicy;

void all(mx_rmq::Context& context, mx_rmq::RedisMessageQueue& queue) {
  // clang-format off
  (void)ProduceOptions{}.delay(30);  // BAD: mx_rmq: a time needs a unit: write delay(
  (void)ProduceOptions{}.ttl(1.5);  // BAD: mx_rmq: a time needs a unit: write ttl(
  (void)HandlerOptions{}.timeout(30L);  // BAD: mx_rmq: a time needs a unit: write timeout(
  (void)HandlerOptions{}.retry_delays({60, 300});  // BAD: mx_rmq: a time needs a unit: write 30s or 500ms
  (void)RetryPolicy::fixed(2.5);  // BAD: mx_rmq: a time needs a unit: write 30s or 500ms
  (void)RetryAfter(30);  // BAD: mx_rmq: a time needs a unit: write RetryAfter(
  (void)RetryAfter(2.5, "later");  // BAD: mx_rmq: a time needs a unit: write RetryAfter(
  (void)context.extend(30u);  // BAD: mx_rmq: a time needs a unit: write extend(
  (void)mx_rmq::sleep_for(1);  // BAD: mx_rmq: a time needs a unit: write sleep_for(
  queue.run(60);  // BAD: mx_rmq: a time needs a unit: write run(
  // clang-format on
}
