#include "tests/bench/opponents/burn_condition.hpp"

#include <cfloat>
#include <cmath>

namespace {

constexpr std::uint8_t no_traffic = 3, invalid = 6;

struct Truth {
  std::uint8_t truth, evidence;
};

inline Truth burns(double bad, std::uint8_t bad_evidence, double total, std::uint8_t total_evidence,
                   double theta) {
  const double part = bad_evidence == 0 ? bad : 0.0;
  const bool usable = static_cast<int>(total > 0) & static_cast<int>(part >= 0) &
                      static_cast<int>(std::fabs(total) <= DBL_MAX) &
                      static_cast<int>(part <= total * (1.0 + 1e-9));
  const std::uint8_t unusable = total == 0 ? no_traffic : invalid;
  const std::uint8_t evidence = total_evidence != 0 ? total_evidence : usable ? std::uint8_t{0} : unusable;
  const bool burning = part / total > theta;
  return {static_cast<std::uint8_t>(evidence == 0 && burning), evidence};
}

}  // namespace

#define SIGNALBOX_JOIN(name, compiler) name##_##compiler
#define SIGNALBOX_NAMED(name, compiler) SIGNALBOX_JOIN(name, compiler)

extern "C" void SIGNALBOX_NAMED(burn_condition,
                                SIGNALBOX_OPPONENT)(const BurnColumn* bad_long, const BurnColumn* total_long,
                                                    const BurnColumn* bad_short,
                                                    const BurnColumn* total_short, double theta,
                                                    std::size_t rows, std::uint8_t* __restrict out_truth,
                                                    std::uint8_t* __restrict out_evidence) {
  const BurnColumn bl = *bad_long, tl = *total_long, bs = *bad_short, ts = *total_short;
  for (std::size_t i = 0; i < rows; ++i) {
    const Truth a = burns(bl.value[i], bl.evidence[i], tl.value[i], tl.evidence[i], theta);
    const Truth b = burns(bs.value[i], bs.evidence[i], ts.value[i], ts.evidence[i], theta);
    const bool no =
        static_cast<int>(a.evidence == 0 && a.truth == 0) | static_cast<int>(b.evidence == 0 && b.truth == 0);
    const std::uint8_t worse = a.evidence > b.evidence ? a.evidence : b.evidence;
    out_evidence[i] = no ? std::uint8_t{0} : worse;
    out_truth[i] = static_cast<std::uint8_t>(!no && worse == 0);
  }
}
