// Every bound of Signalbox, in one place. Past a bound there is a clear error and nothing is lost.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/time.hpp"

namespace signalbox {

struct Limits {
  // The compiler. A policy file is written by people: 4 MiB is a thousand pages.
  std::size_t source_bytes = 4u << 20;
  // Nested brackets and operators. The parser recurses: 200 levels need well under 1 MiB of stack.
  std::size_t nesting = 200;
  // Diagnostics shown for one program; past it a reader fixes the first ones and runs again.
  std::size_t diagnostics = 50;
  // Expression nodes after `let`s are inlined: a chain of doubling lets must not take the machine.
  std::size_t plan_nodes = 1'000'000;
  // Ticks of one `test`: a month at one a second, and each is worked out.
  std::size_t test_ticks = 5'000'000;
  // A year at a tick of 10 s. Tables over the ticks take tens of bytes each for a series; and a sample whose
  // time is wrong by centuries is no reason to look at all of them.
  std::size_t replay_ticks = 5'000'000;
  // Files pulled in by `use`.
  std::size_t modules = 256;

  // Samples. One scrape of the largest exporters seen in the field is a few tens of MB.
  std::size_t scrape_body_bytes = 64u << 20;
  std::size_t scrape_samples = 1'000'000;
  std::size_t labels_per_series = 128;
  std::size_t label_name_bytes = 1024;
  std::size_t label_value_bytes = 65'536;
  // One line of exposition text: more than as many labels as are allowed can take, each of them escaped. What
  // has no line ends is not looked through to its end.
  std::size_t text_line_bytes = 32u << 20;
  // Series held by the in-process store, and the memory for them and their samples.
  std::size_t store_series = 1'000'000;
  std::size_t store_bytes = std::size_t{4} << 30;
  // Samples of one answer of a Prometheus, or of one series of its data directory, before they are packed: 16
  // bytes each. A bucket of a native histogram counts as one.
  std::size_t answer_samples = 128'000'000;
  // Samples that a subquery works out before its function is asked: what a Prometheus lets a query have.
  std::size_t subquery_samples = 50'000'000;
  // One answer of a Prometheus as it comes, and when it is unpacked. History is asked for in pieces far below
  // it.
  std::size_t answer_bytes = std::size_t{1} << 30;
  // A file given to --data: a day of a large fleet, and what cannot be read again, as a pipe, is held in
  // memory.
  std::size_t data_file_bytes = std::size_t{4} << 30;
  // What was read of files is kept for the next time when they are so large together: reading less takes less
  // than a hundredth of a second.
  std::size_t history_cache_from_bytes = 8u << 20;
  // All that is so kept: a recording of 400 MB takes 20 MB, so these are the last hundred of them.
  std::size_t history_cache_bytes = std::size_t{2} << 30;

  // A file of labelled incidents: a line of 150 bytes each, and the tree of its JSON takes some times as
  // much.
  std::size_t truth_bytes = 32u << 20;
  // Programs that one `replay --what-if` holds side by side: a table wider than that is no longer read.
  std::size_t what_if_variants = 16;
  // Candidates of one `tune`: each is a replay.
  std::size_t tune_candidates = 500;

  // What a replay keeps of what it saw where something changes, for the decisions there: what has no room is
  // worked out again. Of four rows over a thousand instances that is 1,500 changes.
  std::size_t replay_shown_bytes = 64u << 20;

  // One piece of a Prometheus' data directory, read whole: a chunk (65,535 samples take 1.2 MB at worst), a
  // series with all its chunks, a record of the write-ahead log (they are far below 1 MiB).
  std::size_t tsdb_piece_bytes = 64u << 20;
  // One section of a block's index, read whole: symbols, the table of postings, one list of postings. Those
  // of ten million series are a few hundred MB.
  std::size_t tsdb_section_bytes = std::size_t{2} << 30;
  // What is kept of a head's selected series before it is in the store: 16 bytes a sample that no chunk has
  // yet.
  std::size_t tsdb_head_bytes = std::size_t{4} << 30;

  // Instances of one declaration without a `max` of its own.
  std::uint32_t instances = 1000;

  // Effects. Answers of targets and receivers are small; what is longer is not an answer.
  std::size_t effect_response_bytes = 64u << 10;
  Duration effect_timeout = seconds(10);
  // The age of a reconfirmed intent: after it the plan it was made under may not be true any more.
  Duration intent_lifetime = minutes(5);
  // Everything Signalbox does to the world in an hour, whatever the policies say (a cumulative breaker).
  std::uint32_t actions_per_hour = 60;

  // Versions a target's answer may be long.
  std::size_t version_bytes = 256;

  // Machine code of the JIT, for all shapes together.
  std::size_t jit_code_bytes = 64u << 20;
  // A shape's operations: larger ones are interpreted, since code generation is not linear.
  std::size_t jit_shape_ops = 4096;
};

}  // namespace signalbox
