// What TLS costs: the library on a Redis over TLS, beside the library on one over plain TCP.
#ifdef MX_RMQ_WITH_TLS

#include <algorithm>
#include <vector>

#include "passes.hpp"
#include "samples.hpp"
#include "support/tls_server.hpp"

namespace bench {
namespace {

// How long a new queue takes until it has asked its Redis something: connecting, with TLS the
// handshake, the set-up.
double start_ms(const Bench& where, const LibraryShape& shape) {
  const auto begin = Clock::now();
  mx_rmq::RedisMessageQueue queue(shape.config(where.url));
  mx_rmq::sync_wait(queue.initialize());
  const double took = seconds_since(begin) * 1e3;
  mx_rmq::sync_wait(queue.cleanup());
  return took;
}

void starts(Section& section, const Bench& over_tls, const LibraryShape& tls, const Bench& over_tcp,
            long count) {
  std::vector<double> with;
  std::vector<double> without;
  for (long i = 0; i < count; ++i) {
    without.push_back(start_ms(over_tcp, LibraryShape()));
    with.push_back(start_ms(over_tls, tls));
  }
  section.note("a new queue has its first answer after " + std::to_string(median(with)) +
               " ms, over TCP after " + std::to_string(median(without)) + " ms");
  section.value("start_tls_ms", median(with));
  section.value("start_tcp_ms", median(without));
}

}  // namespace

void tls(Bench& bench, Section& section) {
  mx_rmq::test::RedisServer plain({.tcp = true});
  mx_rmq::test::TlsServer secure;
  Plain plain_redis(plain.url());
  Plain secure_redis(secure.redis().url());
  track_latency(plain_redis);
  track_latency(secure_redis);
  Bench over_tcp{bench.options, plain.tcp_url(), plain_redis, bench.shape, bench.program};
  Bench over_tls{bench.options, secure.url(), secure_redis, bench.shape, bench.program};
  const long messages = bench.options.size(200'000, 2'000);
  for (const std::size_t payload : {usual_payload, std::size_t{10'000}}) {
    for (const int queue_size : {256, 2'048}) {
      LibraryShape shape;
      shape.queue_size = queue_size;
      shape.payload_bytes = payload;
      LibraryShape encrypted = shape;
      encrypted.ca_file = secure.ca_file();
      const long count = payload == usual_payload ? messages : std::max(1L, messages / 10);
      const auto pass = [&](Bench& where, const LibraryShape& its) {
        return [&where, &its](long n) {
          where.redis.flush_all();
          return library_cycle(where, its, Callers{1'000}, n);
        };
      };
      const Compared both = compare(bench, count, pass(over_tls, encrypted), pass(over_tcp, shape));
      section.add(throughput("TLS, beside TCP: 1,000 callers, task_queue_size " +
                                 grouped(queue_size) + ", payload " +
                                 grouped(static_cast<long>(payload)) + " B",
                             both.library, both.limit));
    }
  }
  LibraryShape encrypted;
  encrypted.ca_file = secure.ca_file();
  starts(section, over_tls, encrypted, over_tcp, bench.options.size(300, 5));
}

}  // namespace bench

#endif
