# cmake -DOUT=FILE.cpp -DDIR=PAGE -P embed.cmake: the files of the page as one C++ source.
set(files "/icon.svg|icon.svg|image/svg+xml" "/|index.html|text/html@ charset=utf-8" "/app.js|app.js|text/javascript@ charset=utf-8"
  "/words.js|words.js|text/javascript@ charset=utf-8" "/style.css|style.css|text/css@ charset=utf-8"
  "/vendor/htm-preact.js|vendor/htm-preact.js|text/javascript@ charset=utf-8")
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  string(REPLACE "|" ";" parts "${file}")
  list(GET parts 0 path)
  list(GET parts 1 name)
  list(GET parts 2 type)
  string(REPLACE "@" ";" type "${type}")
  file(READ "${DIR}/${name}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "const unsigned char file_${number}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${path}\", \"${type}\", view(file_${number}, sizeof file_${number})},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "// Made of ${number} files of the page.
#include \"web/assets.hpp\"

namespace mxrmq::web {
namespace {

std::string_view view(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}
${arrays}
}  // namespace

const Asset* find_asset(std::string_view path) noexcept {
  static const Asset assets[] = {
${rows}  };
  for (const Asset& each : assets)
    if (path == each.path) return &each;
  return nullptr;
}

}  // namespace mxrmq::web
")
