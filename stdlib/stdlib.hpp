// The library of the language, as texts built into the program: modules std.*.
#pragma once

#include <optional>
#include <string_view>

namespace signalbox {

// The text of module "std.burn", or nothing.
std::optional<std::string_view> stdlib_module(std::string_view module);

}  // namespace signalbox
