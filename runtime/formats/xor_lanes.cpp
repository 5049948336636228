// Decoding XOR chunks is a chain of bits, each telling where the next one lies: a processor waits most of the
// time. Of eight chunks, eight chains are followed at once, a lane of a vector for each, and without a branch
// for what a sample is like: there is none to guess wrong.
#include <algorithm>

#include "runtime/formats/xor_decoder.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace signalbox::formats::tsdb {

#if defined(__x86_64__)

#define SIGNALBOX_LANES __attribute__((target("avx512f,avx512cd,avx512bw,avx512dq,avx512vl")))
#define SIGNALBOX_LANES_INLINE SIGNALBOX_LANES inline __attribute__((always_inline))

namespace {

// Of each lane what XorDecoder has of its chunk. Bits are counted from `base` on.
struct Lanes {
  const char* base;
  __m512i at, end, time, delta, value, width, trailing;
};
// Whose top bits tell: lanes with something that is left to XorDecoder, and those where a distance changed;
// and lanes where a value fell or is not a number.
struct Odd {
  __m512i left, uneven;
  __mmask8 falls;
};

SIGNALBOX_LANES_INLINE __m512i constant(std::int64_t of_each) {
  return _mm512_set1_epi64(of_each);
}
// All bits of a lane as its first one is.
SIGNALBOX_LANES_INLINE __m512i spread(__m512i word) {
  return _mm512_srai_epi64(word, 63);
}
// At least 57 bits from bit `at` on, the first one on top. A gather of the processor takes longer.
SIGNALBOX_LANES_INLINE __m512i peek(const char* base, __m512i at) {
  const __m256i bytes = _mm512_cvtepi64_epi32(_mm512_srli_epi64(at, 3));
  const auto two = [&](std::uint64_t places) SIGNALBOX_LANES {
    const auto of = [&](std::uint64_t place) {
      return reinterpret_cast<const __m128i*>(base + static_cast<std::uint32_t>(place));
    };
    return _mm_unpacklo_epi64(_mm_loadl_epi64(of(places)), _mm_loadl_epi64(of(places >> 32)));
  };
  const auto four = [&](__m128i places) SIGNALBOX_LANES {
    const __m128i low = two(static_cast<std::uint64_t>(_mm_cvtsi128_si64(places)));
    const __m128i high = two(static_cast<std::uint64_t>(_mm_extract_epi64(places, 1)));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  };
  const __m512i big_endian = _mm512_inserti64x4(_mm512_castsi256_si512(four(_mm256_castsi256_si128(bytes))),
                                                four(_mm256_extracti128_si256(bytes, 1)), 1);
  const __m512i turned = _mm512_set4_epi32(0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607);
  return _mm512_sllv_epi64(_mm512_shuffle_epi8(big_endian, turned), _mm512_and_epi64(at, constant(7)));
}

// The changes of the distances that begin at `at` and are in `word`.
SIGNALBOX_LANES_INLINE void change_distances(Lanes& lanes, __m512i word, Odd& odd) {
  // By how many ones stand at the beginning: four at most.
  const __m512i ones =
      _mm512_min_epu64(_mm512_lzcnt_epi64(_mm512_xor_epi64(word, constant(-1))), constant(4));
  const __m512i head = _mm512_permutexvar_epi64(ones, _mm512_setr_epi64(1, 2, 3, 4, 4, 0, 0, 0));
  const __m512i wide = _mm512_permutexvar_epi64(ones, _mm512_setr_epi64(0, 14, 17, 20, 64, 0, 0, 0));
  odd.left = _mm512_or_epi64(odd.left, _mm512_sub_epi64(constant(3), ones));
  odd.uneven = _mm512_or_epi64(odd.uneven, word);
  const __m512i raw = _mm512_srlv_epi64(_mm512_sllv_epi64(word, head), _mm512_sub_epi64(constant(64), wide));
  const __m512i half = _mm512_sllv_epi64(constant(1), _mm512_sub_epi64(wide, constant(1)));
  const __mmask8 negative = _mm512_cmpgt_epi64_mask(raw, half);
  const __m512i change = _mm512_mask_sub_epi64(raw, negative, raw, _mm512_slli_epi64(half, 1));
  lanes.delta = _mm512_add_epi64(lanes.delta, change);
  lanes.at = _mm512_add_epi64(lanes.at, _mm512_add_epi64(head, wide));
}

// The change of the value that begins at `at` and is in `word`, 56 bits of it at least.
SIGNALBOX_LANES_INLINE void change_values(Lanes& lanes, __m512i word, Odd& odd) {
  const __m512i changed = spread(word);
  const __m512i fresh = spread(_mm512_and_epi64(word, _mm512_add_epi64(word, word)));
  const __m512i leading = _mm512_and_epi64(_mm512_srli_epi64(word, 57), constant(31));
  const __m512i wide = _mm512_and_epi64(_mm512_srli_epi64(word, 51), constant(63));
  const __m512i behind = _mm512_sub_epi64(_mm512_sub_epi64(constant(64), leading), wide);
  constexpr int first_picks = 0xca;
  lanes.width = _mm512_ternarylogic_epi64(fresh, wide, lanes.width, first_picks);
  lanes.trailing = _mm512_ternarylogic_epi64(fresh, behind, lanes.trailing, first_picks);
  // More bits than there are, or none: that is how 64 of them are written, too.
  const __m512i none = _mm512_sub_epi64(lanes.width, constant(1));
  odd.left = _mm512_or_epi64(odd.left, _mm512_and_epi64(changed, _mm512_or_epi64(none, lanes.trailing)));
  const __m512i taken = _mm512_and_epi64(changed, lanes.width);
  const __m512i head =
      _mm512_add_epi64(_mm512_sub_epi64(constant(1), changed), _mm512_and_epi64(fresh, constant(11)));
  lanes.at = _mm512_add_epi64(lanes.at, head);
  // At least 43 bits are left of the word.
  const __m512i missing = _mm512_sub_epi64(constant(43), taken);
  if (_mm512_movepi64_mask(missing) == 0) {
    word = _mm512_sllv_epi64(word, head);
  } else {
    odd.left = _mm512_or_epi64(odd.left, _mm512_sub_epi64(constant(57), taken));
    word = peek(lanes.base, lanes.at);
  }
  lanes.at = _mm512_add_epi64(lanes.at, taken);
  const __m512i change =
      _mm512_sllv_epi64(_mm512_srlv_epi64(word, _mm512_sub_epi64(constant(64), taken)), lanes.trailing);
  const __m512i value = _mm512_xor_epi64(lanes.value, change);
  odd.falls |= _mm512_cmp_pd_mask(_mm512_castsi512_pd(value), _mm512_castsi512_pd(lanes.value), _CMP_NGE_UQ);
  lanes.value = value;
}

// Top bits: lanes whose next sample does not begin within the data.
SIGNALBOX_LANES_INLINE __m512i past_end(const Lanes& lanes) {
  return _mm512_sub_epi64(_mm512_sub_epi64(lanes.end, constant(1)), lanes.at);
}

// One sample of each chunk: the second one, which has no distance to change, or a later one.
SIGNALBOX_LANES_INLINE void step(Lanes& lanes, Odd& odd, bool second) {
  __m512i word = peek(lanes.base, lanes.at);
  if (!second) {
    if (_mm512_movepi64_mask(word) == 0) {
      lanes.at = _mm512_add_epi64(lanes.at, constant(1));
      word = _mm512_add_epi64(word, word);
    } else {
      change_distances(lanes, word, odd);
      word = peek(lanes.base, lanes.at);
    }
  }
  lanes.time = _mm512_add_epi64(lanes.time, lanes.delta);
  change_values(lanes, word, odd);
}

// Rows of samples at a time into a column for each chunk, `steps` of each.
SIGNALBOX_LANES_INLINE void store_columns(const __m512i* rows, std::size_t steps, void* const* columns,
                                          std::size_t at) {
  __m512i pairs[8], fours[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_epi64(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi64(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      // Even chunks of the first halves, and of the second ones.
      fours[i + j] = _mm512_shuffle_i64x2(pairs[i + j], pairs[i + j + 2], 0x88);
      fours[i + j + 2] = _mm512_shuffle_i64x2(pairs[i + j], pairs[i + j + 2], 0xdd);
    }
  const auto mask = static_cast<__mmask8>((1u << steps) - 1);
  const auto put = [&](int lane, __m512i column) SIGNALBOX_LANES {
    char* const to = static_cast<char*>(columns[lane]) + at * 8;
    _mm512_mask_storeu_epi64(to, mask, column);
    __builtin_prefetch(to + 192, 1);
  };
  for (int j = 0; j < 2; ++j) {
    put(j, _mm512_shuffle_i64x2(fours[j], fours[j + 4], 0x88));
    put(j + 4, _mm512_shuffle_i64x2(fours[j], fours[j + 4], 0xdd));
    put(j + 2, _mm512_shuffle_i64x2(fours[j + 2], fours[j + 6], 0x88));
    put(j + 6, _mm512_shuffle_i64x2(fours[j + 2], fours[j + 6], 0xdd));
  }
}

SIGNALBOX_LANES_INLINE Lanes load(const XorDecoder* decoders, const char* base) {
  alignas(64) std::uint64_t at[8], end[8], time[8], delta[8], value[8], width[8], trailing[8];
  for (std::size_t l = 0; l < 8; ++l) {
    const XorDecoder& d = decoders[l];
    const auto from = static_cast<std::uint64_t>(d.from - base) * 8;
    at[l] = from + d.at;
    end[l] = from + d.end;
    time[l] = static_cast<std::uint64_t>(d.time);
    delta[l] = static_cast<std::uint64_t>(d.delta);
    value[l] = d.value;
    width[l] = d.width;
    trailing[l] = d.trailing;
  }
  return {base,
          _mm512_load_epi64(at),
          _mm512_load_epi64(end),
          _mm512_load_epi64(time),
          _mm512_load_epi64(delta),
          _mm512_load_epi64(value),
          _mm512_load_epi64(width),
          _mm512_load_epi64(trailing)};
}

SIGNALBOX_LANES_INLINE void store(const Lanes& lanes, XorDecoder* decoders, std::size_t done) {
  alignas(64) std::uint64_t at[8], time[8], delta[8], value[8], width[8], trailing[8];
  _mm512_store_epi64(at, lanes.at);
  _mm512_store_epi64(time, lanes.time);
  _mm512_store_epi64(delta, lanes.delta);
  _mm512_store_epi64(value, lanes.value);
  _mm512_store_epi64(width, lanes.width);
  _mm512_store_epi64(trailing, lanes.trailing);
  for (std::size_t l = 0; l < 8; ++l) {
    XorDecoder& d = decoders[l];
    d.at = at[l] - static_cast<std::uint64_t>(d.from - lanes.base) * 8;
    d.time = static_cast<std::int64_t>(time[l]);
    d.delta = static_cast<std::int64_t>(delta[l]);
    d.value = value[l];
    d.width = static_cast<unsigned>(width[l]);
    d.trailing = static_cast<unsigned>(trailing[l]);
    d.done = done;
  }
}

// Sets of eight lanes: of two, one works while the other waits for its bits.
template <std::size_t sets>
SIGNALBOX_LANES LanesSeen advance(XorDecoder* decoders) {
  constexpr std::size_t many = 8 * sets;
  std::size_t until = decoders[0].count, i = decoders[0].done;
  LanesSeen seen;
  Lanes lanes[sets];
  void *times[many], *values[many];
  const char *base = decoders[0].from, *last = base;
  for (std::size_t l = 0; l < many; ++l) {
    const XorDecoder& d = decoders[l];
    base = std::min(base, d.from);
    last = std::max(last, d.from + d.end / 8);
    times[l] = d.times;
    values[l] = d.values;
    until = std::min(until, d.count);
  }
  // Places are counted in 32 bits.
  if (last - base >= std::ptrdiff_t{1} << 31) return {false, false};
  for (std::size_t s = 0; s < sets; ++s) lanes[s] = load(decoders + 8 * s, base);
  __m512i time_rows[sets][8]{}, value_rows[sets][8]{};
  while (i < until) {
    const bool second = i == 1;
    const std::size_t steps = second ? 1 : std::min<std::size_t>(8, until - i);
    Lanes before[sets];
    Odd odd[sets];
#pragma GCC unroll 2
    for (std::size_t s = 0; s < sets; ++s) {
      before[s] = lanes[s];
      odd[s] = {_mm512_setzero_si512(), _mm512_setzero_si512(), 0};
    }
    for (std::size_t k = 0; k < steps; ++k) {
      // No further than that is read, however the samples before were.
      __m512i past = _mm512_setzero_si512();
#pragma GCC unroll 2
      for (std::size_t s = 0; s < sets; ++s) past = _mm512_or_epi64(past, past_end(lanes[s]));
      if (_mm512_movepi64_mask(past) != 0) {
        odd[0].left = constant(-1);
        break;
      }
#pragma GCC unroll 2
      for (std::size_t s = 0; s < sets; ++s) {
        step(lanes[s], odd[s], second);
        time_rows[s][k] = lanes[s].time;
        value_rows[s][k] = lanes[s].value;
      }
    }
    unsigned left = 0, uneven = 0, falls = 0;
#pragma GCC unroll 2
    for (std::size_t s = 0; s < sets; ++s) {
      left |= _mm512_movepi64_mask(odd[s].left);
      uneven |= _mm512_movepi64_mask(odd[s].uneven);
      falls |= odd[s].falls;
    }
    if (left != 0) {
#pragma GCC unroll 2
      for (std::size_t s = 0; s < sets; ++s) lanes[s] = before[s];
      break;
    }
    seen.rising = seen.rising && falls == 0;
    seen.steady = seen.steady && uneven == 0;
#pragma GCC unroll 2
    for (std::size_t s = 0; s < sets; ++s) {
      store_columns(time_rows[s], steps, times + 8 * s, i);
      store_columns(value_rows[s], steps, values + 8 * s, i);
    }
    i += steps;
  }
#pragma GCC unroll 2
  for (std::size_t s = 0; s < sets; ++s) store(lanes[s], decoders + 8 * s, i);
  return seen;
}

}  // namespace

LanesTaken lanes_for(std::size_t left) {
  static const bool wide = __builtin_cpu_supports("avx512f") != 0 &&
                           __builtin_cpu_supports("avx512cd") != 0 &&
                           __builtin_cpu_supports("avx512bw") != 0 &&
                           __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  // Measured: a step of two sets takes as long as eleven samples one by one, and one of one set as seven.
  if (wide && left >= 12) return {std::min<std::size_t>(left, 16), 16};
  if (wide && left >= 7) return {std::min<std::size_t>(left, 8), 8};
  return {};
}

LanesSeen advance_lanes(std::span<XorDecoder> decoders) {
  return decoders.size() > 8 ? advance<2>(decoders.data()) : advance<1>(decoders.data());
}

#else

LanesTaken lanes_for(std::size_t) {
  return {};
}
LanesSeen advance_lanes(std::span<XorDecoder>) {
  return {false, false};
}

#endif

}  // namespace signalbox::formats::tsdb
