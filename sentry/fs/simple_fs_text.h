// printf into strings, for generated files.
#pragma once

#include <string>

namespace runsc {

std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));
void AppendFormat(std::string* out, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace runsc
