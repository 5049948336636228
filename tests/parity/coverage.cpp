#include "tests/parity/coverage.hpp"

namespace signalbox::parity {

std::string_view not_applicable(Feature feature, Hazard hazard) {
  constexpr HazardSet of_several = bit(Hazard::reset) | bit(Hazard::jitter) | bit(Hazard::border) |
                                   bit(Hazard::flat) | bit(Hazard::odd_length) | bit(Hazard::few);
  constexpr HazardSet of_values = bit(Hazard::huge) | bit(Hazard::tiny) | bit(Hazard::big_integer) |
                                  bit(Hazard::fraction) | bit(Hazard::negative) | bit(Hazard::zero) |
                                  bit(Hazard::minus_zero) | bit(Hazard::not_a_number) |
                                  bit(Hazard::infinite) | bit(Hazard::duplicate) | bit(Hazard::edge_end);
  if (feature == Feature::selector && (bit(hazard) & of_several) != 0)
    return "an instant selector reads one sample of a window that is always the look-back";
  if (feature == Feature::absent &&
      (bit(hazard) & (of_values | (of_several & ~bit(Hazard::few) & ~bit(Hazard::odd_length)))) != 0)
    return "`absent` has a point only where nothing was found: no value takes part";
  constexpr HazardSet of_no_sample = bit(Hazard::gap) | bit(Hazard::empty) | bit(Hazard::stale_marker) |
                                     bit(Hazard::label_churn) | bit(Hazard::odd_length);
  if (feature == Feature::absent_over_time && (bit(hazard) & of_no_sample) == 0)
    return "`absent_over_time` has a point only where a window has no sample";
  return {};
}

}  // namespace signalbox::parity
