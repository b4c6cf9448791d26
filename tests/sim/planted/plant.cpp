// plant_bugs FROM TO FILE...: copies the sources FILE from one directory to another and plants
// every bug into them. A bug that does not fit its file is left out; its test says so.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "bugs.hpp"

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string planted(const std::string& file, std::string text) {
  for (const auto& bug : mx_rmq::planted::bugs()) {
    for (const auto& edit : bug.edits) {
      if (edit.file != file) continue;
      const auto [begin, end] = mx_rmq::planted::place_of(text, edit.find);
      if (begin == std::string::npos) {
        std::cerr << "plant_bugs: " << bug.name << " does not fit " << file << " any more\n";
        continue;
      }
      text.replace(begin, end - begin, edit.replace);
    }
  }
  return "#include \"planted.hpp\"\n" + text;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path from = argv[1];
  const std::filesystem::path to = argv[2];
  for (int i = 3; i < argc; ++i) {
    const std::string file = argv[i];
    std::filesystem::create_directories((to / file).parent_path());
    std::ofstream(to / file, std::ios::binary) << planted(file, read(from / file));
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "plant_bugs: " << error.what() << "\n";
  return 1;
}
