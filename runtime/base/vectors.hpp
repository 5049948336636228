// For loops that compilers make vector code of. IEEE operations give the same results at every width.
#pragma once

// One copy of a function for each width of vectors that processors have; the loader picks. Not under the
// thread sanitizer: the loader asks before that has begun, and the program ends there.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#define SIGNALBOX_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SIGNALBOX_VECTORS
#endif

// Before a loop: the columns it touches do not overlap.
#if defined(__clang__)
#define SIGNALBOX_NO_ALIASES _Pragma("clang loop vectorize(assume_safety)")
#else
#define SIGNALBOX_NO_ALIASES _Pragma("GCC ivdep")
#endif
