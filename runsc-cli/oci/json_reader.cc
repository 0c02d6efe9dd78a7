// Typed JSON access, and a check of the text before a document is built from it.
#include "runsc-cli/oci/json_reader.h"

#include "runsc-cli/base/text.h"

namespace runsc {
namespace {

using Json = nlohmann::json;

// Walks the text without building anything.
class TextChecker : public nlohmann::json_sax<Json> {
 public:
  explicit TextChecker(int max_depth) : max_depth_(max_depth) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& problem) override {
    std::string_view what = problem.what();
    const size_t bracket = what.find("] ");  // "[json.exception.parse_error.101] parse error at ..."
    if (bracket != what.npos) what.remove_prefix(bracket + 2);
    ConsumePrefix(what, "parse error at ");
    status_ = InvalidArgument("not valid JSON: ", what);
    return false;
  }
  const absl::Status& status() const { return status_; }

 private:
  bool Enter() {
    if (++depth_ <= max_depth_) return true;
    status_ = InvalidArgument("nested deeper than the ", max_depth_, " levels allowed");
    return false;
  }
  bool Leave() {
    --depth_;
    return true;
  }

  const int max_depth_;
  int depth_ = 0;
  absl::Status status_;
};

std::string_view TypeName(const Json& value) {
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  if (value.is_boolean()) return "a boolean";
  if (value.is_array()) return "an array";
  return "an object";
}

}  // namespace

absl::Status CheckJsonText(std::string_view text, int max_depth) {
  TextChecker checker(max_depth);
  (void)Json::sax_parse(text.begin(), text.end(), &checker);
  return checker.status();
}

void JsonValue::Fail(std::string_view problem) const {
  if (!error_->ok()) return;
  *error_ = InvalidArgument(path_.empty() ? "the document" : path_, ": ", problem);
}

bool JsonValue::Is(bool matches, std::string_view expected) const {
  if (!matches) Fail(Cat("must be ", expected, ", is ", TypeName(*value_)));
  return matches;
}

JsonValue JsonValue::Field(std::string_view name) const {
  std::string path = path_.empty() ? std::string(name) : Cat(path_, ".", name);
  const Json* field = nullptr;
  if (present() && Is(value_->is_object(), "an object")) {
    const auto it = value_->find(std::string(name));
    if (it != value_->end()) field = &*it;
  }
  return {field, std::move(path), error_};
}

std::string JsonValue::String() const {
  if (!present() || !Is(value_->is_string(), "a string")) return {};
  return *value_->get_ptr<const std::string*>();
}

bool JsonValue::Bool() const {
  return present() && Is(value_->is_boolean(), "true or false") && *value_->get_ptr<const bool*>();
}

int64_t JsonValue::Int(int64_t min, int64_t max) const {
  if (!present() || !Is(value_->is_number_integer(), "a whole number")) return 0;
  const bool too_big = value_->is_number_unsigned() && value_->get<uint64_t>() > uint64_t{INT64_MAX};
  const int64_t number = too_big ? INT64_MAX : value_->get<int64_t>();
  if (!too_big && number >= min && number <= max) return number;
  Fail(Cat("must be between ", min, " and ", max, ", is ", value_->dump()));
  return 0;
}

uint64_t JsonValue::Uint64() const {
  if (!present() || !Is(value_->is_number_integer(), "a whole number")) return 0;
  if (value_->is_number_unsigned()) return value_->get<uint64_t>();
  Fail(Cat("must not be negative, is ", value_->dump()));
  return 0;
}

uint32_t JsonValue::Uint32() const { return static_cast<uint32_t>(Int(0, UINT32_MAX)); }

void JsonValue::ForEach(const std::function<void(const JsonValue&)>& visit) const {
  if (!present() || !Is(value_->is_array(), "an array")) return;
  for (size_t i = 0; i < value_->size(); ++i) {
    visit(JsonValue(&(*value_)[i], Cat(path_, "[", i, "]"), error_));
    if (!error_->ok()) return;
  }
}

std::vector<std::string> JsonValue::Strings() const {
  std::vector<std::string> out;
  ForEach([&](const JsonValue& item) {
    if (!item.present()) item.Fail("must be a string, is null");
    out.push_back(item.String());
  });
  return out;
}

void JsonValue::ForEachMember(const std::function<void(const std::string&, const JsonValue&)>& visit) const {
  if (!present() || !Is(value_->is_object(), "an object")) return;
  for (auto it = value_->begin(); it != value_->end(); ++it) {
    visit(it.key(), JsonValue(&*it, Cat(path_, ".", it.key()), error_));
  }
}

std::map<std::string, std::string> JsonValue::StringMap() const {
  std::map<std::string, std::string> out;
  ForEachMember([&](const std::string& key, const JsonValue& item) { out[key] = item.String(); });
  return out;
}

}  // namespace runsc
