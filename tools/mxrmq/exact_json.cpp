#include "exact_json.hpp"

namespace mxrmq {
namespace {

using nlohmann::json;

// Looks for what would be lost, and for depth.
class Exactness : public json::json_sax_t {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t& text) override {
    return text.find_first_of(".eE") != std::string::npos;  // else an integer that is too big
  }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ <= most; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return ++depth_ <= most; }
  bool end_array() override { return --depth_ >= 0; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  static constexpr int most = 1'000;
  int depth_ = 0;
};

}  // namespace

json exact_json(const std::string& text) {
  Exactness exactness;
  if (!json::sax_parse(text, &exactness)) return text;
  return json::parse(text);
}

}  // namespace mxrmq
