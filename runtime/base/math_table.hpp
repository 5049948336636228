// The functions of numbers that every tier calls, so that all have the same bits.
#pragma once

namespace signalbox {

double math_mod(double a, double b);  // C's fmod, which is Go's Mod
// Whole and half powers as Prometheus has them; others as the C library.
double math_pow(double a, double b);

}  // namespace signalbox
