#include "queue/run_hooks.hpp"

#include <cstddef>
#include <utility>

#include "queue/run_thread.hpp"
#include "queue/traces.hpp"

namespace mx_rmq::queue {
namespace {

struct Chain {
  detail::ErasedHandler handler;
  std::shared_ptr<const Hooks> hooks;
};
using SharedChain = std::shared_ptr<const Chain>;

// The middleware from place `at` on, and the handler. `context` outlives it.
Task<> run_from(SharedChain chain, std::size_t at, Context* context, Next handler) {
  if (at == chain->hooks->around.size()) {
    Task<> run = handler();
    co_await std::move(run);
    co_return;
  }
  Next next = [chain, at, context, handler] { return run_from(chain, at + 1, context, handler); };
  Task<> run = chain->hooks->around[at](*context, std::move(next));
  co_await std::move(run);
}

Task<> run_coroutine(SharedChain chain, std::shared_ptr<Context> context) {
  TracedRun traced(*chain->hooks, *context);
  Next handler = [chain, context] { return chain->handler.coroutine(context); };
  try {
    Task<> run = run_from(chain, 0, context.get(), std::move(handler));
    co_await std::move(run);
  } catch (...) {
    traced.fail();
    throw;
  }
}

void run_blocking_chain(const SharedChain& chain, Context& context) {
  TracedRun traced(*chain->hooks, context);
  const auto call = [&] { traced.run([&] { chain->handler.plain(context); }); };
  try {
    if (chain->hooks->around.empty()) return call();
    RunThread thread;
    thread.drive(run_from(chain, 0, &context, [&thread, &call] { return thread.run(call); }));
  } catch (...) {
    traced.fail();
    throw;
  }
}

}  // namespace

detail::ErasedHandler with_hooks(detail::ErasedHandler handler,
                                 std::shared_ptr<const Hooks> hooks) {
  if (hooks->around.empty() && hooks->tracer == nullptr) return handler;
  auto chain = std::make_shared<Chain>();
  chain->handler = std::move(handler);
  chain->hooks = std::move(hooks);
  detail::ErasedHandler hooked;
  hooked.blocking = chain->handler.blocking;
  if (hooked.blocking) {
    hooked.plain = [chain](Context& context) { run_blocking_chain(chain, context); };
  } else {
    hooked.coroutine = [chain](std::shared_ptr<Context> context) {
      return run_coroutine(chain, std::move(context));
    };
  }
  return hooked;
}

}  // namespace mx_rmq::queue
