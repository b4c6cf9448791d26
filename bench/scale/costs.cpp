#include "scale/costs.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "library.hpp"
#include "limit.hpp"
#include "measure.hpp"
#include "passes.hpp"
#include "plain.hpp"
#include "samples.hpp"
#include "support/redis_server.hpp"

namespace bench::scale {
namespace {

using Json = nlohmann::ordered_json;

constexpr int few = 1;
constexpr int many = 256;

// Of a call that carries few and of one that carries many.
CallCost line_through(double of_few, double of_many) {
  CallCost out;
  out.each = std::max(0.001, (of_many - of_few) / (many - few));
  out.fixed = std::max(0.001, of_few - out.each * few);
  return out;
}

struct ServerTimes {
  std::vector<double> produce;
  std::vector<double> claim;
  std::vector<double> ack;
};

// CPU time of the server a call, of calls that carry so many messages.
void time_server(Plain& redis, int batch, long calls, ServerTimes& out) {
  redis.flush_all();
  Limit limit(redis, {"scale"}, 200, {batch, 1});  // one call at a time, as from many clients
  const long messages = batch * calls;
  const auto timed = [&](const auto& work) {
    const double before = redis_cpu_us(redis);
    work();
    return (redis_cpu_us(redis) - before) / static_cast<double>(calls);
  };
  out.produce.push_back(timed([&] { limit.produce(messages); }));
  out.claim.push_back(timed([&] { limit.claim(messages); }));
  out.ack.push_back(timed([&] { limit.ack(messages); }));
}

// What it takes to tell one who is idle: a produce that wakes is dearer by that.
double time_wake(const std::string& url, Plain& redis, long calls) {
  redis.flush_all();
  Limit limit(redis, {"scale"}, 200, {1, 1});
  Plain listener(url);
  const mx_rmq::broker::TopicKeys keys("", "scale");
  listener.command({"SUBSCRIBE", keys.channel(limit.consumer_alias())});
  double waking = 0;
  double plain = 0;
  for (long i = 0; i < calls; ++i) {
    limit.become_idle();
    double before = redis_cpu_us(redis);
    limit.produce(1);
    waking += redis_cpu_us(redis) - before;
    listener.receive();
    before = redis_cpu_us(redis);
    limit.produce(1);  // nobody is idle now
    plain += redis_cpu_us(redis) - before;
    limit.consume(2);
  }
  return std::max(0.5, (waking - plain) / static_cast<double>(calls));
}

// CPU time of this process: produces and consumes by the library.
void time_client(const std::string& url, Plain& redis, bool quick, Costs& out) {
  const long messages = quick ? 2'000 : 200'000;
  const long calls = quick ? 100 : 3'000;
  const Options options;
  Bench bench{options, url, redis, {}, ""};
  const auto produced = [&](Callers callers, long count) {
    redis.flush_all();
    return library_produce(bench, LibraryShape(), callers, count).client_cpu;
  };
  const double single = produced({1, 0}, calls) / static_cast<double>(calls);
  const double batched = produced({4, 1'000}, messages) / static_cast<double>(messages);
  out.producing = line_through(single, batched * many);
  LibraryShape shape;
  shape.queue_size = 2'048;
  redis.flush_all();
  const double consumed =
      library_consume(bench, shape, messages).client_cpu / static_cast<double>(messages);
  out.consuming.fixed = out.producing.fixed;  // both begin and end with a call over a lane
  out.consuming.each = std::max(0.05, consumed - out.consuming.fixed / many);
}

CallCost call_cost(const Json& json) {
  CallCost out;
  out.fixed = json.at("fixed_us").get<double>();
  out.each = json.at("each_us").get<double>();
  return out;
}

Json call_json(const CallCost& cost) {
  return Json{{"fixed_us", cost.fixed}, {"each_us", cost.each}};
}

}  // namespace

Costs measure_costs(bool quick) {
  const mx_rmq::test::RedisServer server;
  Plain redis(server.url());
  ServerTimes of_few;
  ServerTimes of_many;
  for (int round = 0; round < (quick ? 1 : 5); ++round) {
    time_server(redis, few, quick ? 300 : 10'000, of_few);
    time_server(redis, many, quick ? 20 : 400, of_many);
  }
  Costs out;
  out.produce = line_through(median(of_few.produce), median(of_many.produce));
  out.claim = line_through(median(of_few.claim), median(of_many.claim));
  out.ack = line_through(median(of_few.ack), median(of_many.ack));
  out.wake = time_wake(server.url(), redis, quick ? 50 : 2'000);
  time_client(server.url(), redis, quick, out);
  return out;
}

Json to_json(const Costs& costs) {
  Json out;
  out["produce"] = call_json(costs.produce);
  out["claim"] = call_json(costs.claim);
  out["ack"] = call_json(costs.ack);
  out["wake_us"] = costs.wake;
  out["client_producing"] = call_json(costs.producing);
  out["client_consuming"] = call_json(costs.consuming);
  return out;
}

Costs read_costs(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file);
  try {
    const Json json = Json::parse(in);
    Costs out;
    out.produce = call_cost(json.at("produce"));
    out.claim = call_cost(json.at("claim"));
    out.ack = call_cost(json.at("ack"));
    out.wake = json.at("wake_us").get<double>();
    out.producing = call_cost(json.at("client_producing"));
    out.consuming = call_cost(json.at("client_consuming"));
    return out;
  } catch (const Json::exception& error) {
    throw std::runtime_error(file + ": " + error.what());
  }
}

}  // namespace bench::scale
