// The samples of a Prometheus data directory, series by series, straight from its files: blocks and head.
// Nothing is locked or written, and a running server is not disturbed.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/sources/tsdb_head.hpp"

namespace signalbox::sources {

// One series' samples, the times of its stale markers, and its histograms, each in rising time and none at
// the time of another.
struct SeriesSamples {
  store::Samples samples;
  std::vector<std::int64_t> ends;
  std::vector<TimedHistogram> histograms;
  store::Course course;         // of the samples, where it is known
  std::size_t passed_over = 0;  // of a kind that is not known, and not among those
  std::size_t size() const { return samples.size() + ends.size() + histograms.size(); }
};

class TsdbHistory {
 public:
  struct Request {
    std::vector<std::vector<Matcher>> selectors;
    Instant from, to;  // both taken in
  };
  // Finds the series. Its references must outlive it. Selectors that find everything, or are broken, find
  // nothing here: compilers refuse them. Blocks that are damaged are left out and told in notices(); what
  // such a block would have hidden (those that it replaces, the log's samples of its time) is read instead.
  static Result<TsdbHistory> open(ForeignFolders& folders, const std::string& path, const Request& request,
                                  const Limits& limits);

  std::size_t size() const { return series_.size(); }
  const Labels& labels(std::size_t series) const { return series_[series].labels; }  // rising
  // Of what the blocks hold of any series.
  std::optional<Instant> last() const { return files_->last; }
  const std::vector<Error>& notices() const { return notices_; }

  // A reader found block `block` damaged: the series are found anew without it, with other numbers, and
  // notices() tells. What was read before may have samples of it, and is to be read again, by new readers.
  Result<void> leave_out(std::size_t block, const Error& why);

  // Reads series, one after the other; in the order of their numbers it is fastest. One for each thread.
  class Reader {
   public:
    explicit Reader(const TsdbHistory& history) : history_(history), index_windows_(history.blocks_.size()) {}

    // Replaces what is in `out` with the samples in [from, to] of the request. Where blocks overlap, or the
    // head and a block, all of them are taken; of two samples at one time the one of the block that begins
    // first counts, and the head's last; of two kinds numbers count before markers, and those before
    // histograms. `malformed` and `io` name the file and the place; damaged() then
    // says which block to leave out, if it was one.
    Result<void> read(std::size_t series, SeriesSamples& out);
    // The same of what of [from, to] lies in the request's.
    Result<void> read(std::size_t series, Instant from, Instant to, SeriesSamples& out);
    // The first and the last sample or marker that read() would find.
    Result<std::optional<std::pair<Instant, Instant>>> extent(std::size_t series);
    std::optional<std::size_t> damaged() const { return damaged_; }

   private:
    Result<void> read_block(std::uint32_t block, std::uint64_t reference, SeriesSamples& out);
    Result<void> read_head_chunks(const std::vector<HeadSeries::Chunk>& chunks, Instant from,
                                  SeriesSamples& out);
    // Chunks that stand in one file, one after the other.
    Result<void> read_together(const NamedFile& file,
                               std::span<const formats::tsdb::IndexSeries::Chunk> chunks, SeriesSamples& out);
    // Those that wait, all of numbers.
    Result<void> decode_waiting(const std::string& path, SeriesSamples& out);
    Result<void> decode(std::uint8_t encoding, std::string_view data, const std::string& path,
                        std::uint64_t offset, SeriesSamples& out);
    // How many samples this read has taken with so many numbers: histograms are counted by their memory.
    std::size_t samples_taken(std::size_t numbers) const {
      return numbers + histogram_bytes_ / (sizeof(std::int64_t) + sizeof(double));
    }

    const TsdbHistory& history_;
    Instant from_, to_;  // of this read
    FileWindow window_;
    std::vector<FileWindow> index_windows_;  // by block
    formats::tsdb::IndexSeries entry_;
    // Chunks that wait to be decoded together: their data, where they stand, and where their samples begin.
    std::vector<std::string_view> waiting_;
    std::vector<std::uint64_t> waiting_at_;
    std::vector<std::uint32_t> begins_;
    std::optional<std::size_t> damaged_;
    std::size_t histogram_bytes_ = 0;  // in this read
  };

 private:
  struct Part {
    std::uint32_t block = 0;
    std::uint64_t reference = 0;
  };
  struct Series {
    Labels labels;
    std::vector<Part> parts;  // by block, as those are ordered
    std::optional<std::uint32_t> head;
  };
  struct Block {
    BlockIndex index;
    Tombstones tombstones;
    bool left_out = false;
  };

  // Fills what follows from files_ and from which blocks are left out.
  Result<void> find();
  Result<void> find_in(std::uint32_t block, const SelectorSet& selectors,
                       std::vector<std::pair<std::uint64_t, Labels>>& found);

  Limits limits_;
  Request request_;
  std::unique_ptr<DataFiles> files_;  // stays where it is: indices refer to it
  std::vector<Block> blocks_;
  std::vector<Error> lost_;  // of blocks that are left out

  Instant head_from_;  // before it samples are the blocks'
  Head head_;
  std::vector<Series> series_;
  std::vector<Error> notices_;
};

}  // namespace signalbox::sources
