// Bits of the append-only file are wrong where the server wrote last. It refuses to start until the
// file is repaired, or cuts it off by itself; meanwhile everybody asks for it calmly.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "faults/load.hpp"
#include "faults/stored.hpp"

namespace mx_rmq::faults {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// Of one byte of a file one bit.
void flip(const std::string& path, std::size_t at, int bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ (1 << bit)));
  file.close();
  if (!file) throw std::runtime_error("cannot change " + path);
}

// The last place of `what`, at least `before` bytes from the end.
std::size_t last_place(const std::string& text, const std::string& what, std::size_t before) {
  const std::size_t at = text.rfind(what, text.size() - before);
  if (at == std::string::npos) throw std::runtime_error("not there: " + what);
  return at;
}

bool repair(const std::string& file) {
  test::ChildOptions options;
  options.arguments = {"-c", "echo y | redis-check-aof --fix '" + file + "'"};
  options.output_file = file + ".repair";
  auto process = test::ChildProcess::start("/bin/sh", options);
  const auto end = process.wait(60s);
  const std::string said = process.output();
  std::filesystem::remove(file + ".repair");
  EXPECT_TRUE(end && end->exited && end->code == 0) << said;
  return said.find("Successfully truncated") != std::string::npos;
}

// CPU time of a process so far.
std::chrono::milliseconds cpu_time(std::uint64_t pid) {
  std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  rest >> user >> system;
  return std::chrono::milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

ArenaOptions damaged_options(const std::string& name) {
  ArenaOptions options = arena_options(name);
  options.redis.appendonly = true;
  options.redis.appendfsync = "always";
  options.redis.start_timeout = 60s;
  options.proxied = true;  // which counts connections
  options.worker_environment.push_back("MQ_RECONNECT_BACKOFF_MAX=1s");
  options.producer_environment = {"MQ_RECONNECT_BACKOFF_MAX=1s"};
  return options;
}

TEST(NightlyDamage, C5_a_server_that_refuses_a_damaged_file_is_awaited_until_it_is_repaired) {
  Arena arena(damaged_options("C5 append-only file damaged, refused, repaired"));
  std::uint64_t most = 0;
  std::uint64_t connections = 0;
  std::chrono::milliseconds busiest{0};
  constexpr std::chrono::milliseconds window = 3s;
  under_load(arena, 3, [&](int) {
    connections = std::max(connections, arena.proxy().counts().open);
    arena.begin(Fault::damage_file);
    arena.server().kill9();
    const std::string file = append_only_file(arena.server().directory());
    // The mark of a command near the end: '*' becomes '+'.
    const std::string before = read_file(file);
    flip(file, last_place(before, "\r\n*", 600) + 2, 0);
    const std::size_t said = arena.server().log().size();
    EXPECT_THROW(arena.server().restart(), std::runtime_error) << "a damaged file is refused";
    const std::string log = arena.server().log().substr(said);
    EXPECT_NE(log.find("Bad file format"), std::string::npos) << log;

    // The pauses are as long as they get by and by.
    const auto began = arena.proxy().counts().connections;
    EXPECT_TRUE(
        test::wait_for(30s, [&] { return arena.proxy().counts().connections > began + 20; }));
    std::vector<std::chrono::milliseconds> cpu;
    for (const auto& each : arena.workers()) cpu.push_back(cpu_time(each->pid()));
    const auto from = arena.proxy().counts().connections;
    std::this_thread::sleep_for(window);  // what the rate is about
    most = std::max(most, arena.proxy().counts().connections - from);
    for (std::size_t i = 0; i < cpu.size(); ++i)
      busiest = std::max(busiest, cpu_time(arena.workers()[i]->pid()) - cpu[i]);

    EXPECT_TRUE(repair(file));
    const std::string after = read_file(file);
    EXPECT_LT(after.size(), before.size());
    EXPECT_EQ(after, before.substr(0, after.size()));
    arena.see("bytes repaired away", static_cast<std::int64_t>(before.size() - after.size()));
    arena.server().restart();
    arena.end(Fault::damage_file);
  });
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  std::printf("    %lu attempts in %ld ms of what had been %lu connections, %ld ms of CPU time\n",
              most, static_cast<long>(window.count()), connections,
              static_cast<long>(busiest.count()));
  EXPECT_LE(most, 5 * static_cast<std::uint64_t>(window / 1s) * connections);
  EXPECT_LT(busiest, window / 10) << "of a worker that only waits";
  // The last 600 bytes and a bit: what was acknowledged at the very end.
  verdict_of(arena, {"damage file", "bytes repaired away", "audits"}, 1s);
}

TEST(NightlyDamage, C5_a_server_that_cuts_a_damaged_file_off_by_itself_goes_on) {
  Arena arena(damaged_options("C5 append-only file damaged, cut off by the server"));
  under_load(arena, 4, [&](int) {
    arena.begin(Fault::damage_file);
    arena.server().kill9();
    // What was killed in the middle of writing is another fault.
    drop_unfinished_script(arena.server().directory());
    const std::string file = append_only_file(arena.server().directory());
    // The length of the last EXEC grows beyond the end of the file.
    flip(file, last_place(read_file(file), "$4\r\nEXEC\r\n", 0) + 1, 0);
    const std::size_t said = arena.server().log().size();
    const auto rest =
        std::filesystem::file_size(file) - last_place(read_file(file), "$5\r\nEXEC\r\n", 0);
    if (rest > 10)
      std::filesystem::resize_file(file, std::filesystem::file_size(file) - (rest - 10));
    arena.server().restart();
    const std::string log = arena.server().log().substr(said);
    if (log.find("Truncating the AOF") != std::string::npos) arena.see("cut off by the server");
    // As docs/reliability.md tells after that warning: half a script is in the file.
    arena.server().command({"BGREWRITEAOF"});
    EXPECT_TRUE(test::wait_for(30s, [&] {
      return arena.server()
                 .command({"INFO", "persistence"})
                 .str()
                 .find("aof_rewrite_in_progress:0") != std::string::npos;
    }));
    arena.end(Fault::damage_file);
  });
  arena.restart_server();
  verdict_of(arena, {"damage file", "cut off by the server", "audits"}, 1s);
}

}  // namespace
}  // namespace mx_rmq::faults
