// Every input that is kept in fuzz/corpus goes through its target once more: what was found stays
// mended.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/paths.hpp"

// LLVMFuzzerTestOneInput of each target, by another name.
extern "C" {
int fuzz_config(const std::uint8_t* data, std::size_t size);
int fuzz_envelope(const std::uint8_t* data, std::size_t size);
int fuzz_json(const std::uint8_t* data, std::size_t size);
int fuzz_names(const std::uint8_t* data, std::size_t size);
int fuzz_reply(const std::uint8_t* data, std::size_t size);
int fuzz_slots(const std::uint8_t* data, std::size_t size);
}

namespace {

using Target = int (*)(const std::uint8_t*, std::size_t);

// A broken promise ends the process; the trace names the input.
void run_kept(const std::string& name, Target target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(mx_rmq::test::source_path("fuzz/corpus/" + name))) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  EXPECT_GE(files.size(), 5U) << "hardly any input is kept for " << name;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    ASSERT_TRUE(in.good() || in.eof()) << file;
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    EXPECT_EQ(target(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), 0) << file;
  }
}

#ifdef HAS_LUA
TEST(FuzzTargets, EnvelopeTakesKeptInputs) { run_kept("envelope", fuzz_envelope); }
#endif
TEST(FuzzTargets, ConfigTakesKeptInputs) { run_kept("config", fuzz_config); }
TEST(FuzzTargets, JsonTakesKeptInputs) { run_kept("json", fuzz_json); }
TEST(FuzzTargets, NamesTakeKeptInputs) { run_kept("names", fuzz_names); }
TEST(FuzzTargets, ReplyTakesKeptInputs) { run_kept("reply", fuzz_reply); }
TEST(FuzzTargets, SlotsTakeKeptInputs) { run_kept("slots", fuzz_slots); }

}  // namespace
