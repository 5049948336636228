// What is said of samples that a source has and this version cannot take.
#pragma once

#include <cstddef>
#include <optional>

#include "runtime/base/result.hpp"

namespace signalbox::sources {

// Nothing when there are none.
std::optional<Error> told_passed_over(std::size_t samples);

}  // namespace signalbox::sources
