#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace signalbox::cli {

int run_version(bool json) {
  if (json)
    fmt::print(
        "{}\n",
        dump(
            {{"name", "signalbox"}, {"version", SIGNALBOX_VERSION}, {"plan_format", 1}, {"record_format", 1}},
            2));
  else
    fmt::print("signalbox {}\n", SIGNALBOX_VERSION);
  return exit_ok;
}

}  // namespace signalbox::cli
