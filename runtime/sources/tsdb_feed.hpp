// Series of a data directory one by one, with what is inferred of their births: for a program that reads a
// few at a time, on several threads, and for one that reads all of them into a store.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/plan/plan.hpp"
#include "runtime/sources/scrape_groups.hpp"
#include "runtime/sources/tsdb_history.hpp"
#include "runtime/store/postings.hpp"

namespace signalbox::sources {

// All that evaluating `plan` at instants in [from, to] needs (without them: all that there is).
TsdbHistory::Request request_for(const plan::Plan& plan, std::optional<Instant> from,
                                 std::optional<Instant> to);

class TsdbFeed {
 public:
  // The series that `plan` reads, of a history opened for it. `history` and its references outlive the feed.
  TsdbFeed(const TsdbHistory& history, const plan::Plan& plan);

  const std::vector<std::size_t>& series() const { return wanted_; }  // that the plan reads, rising
  // Those of them that a selector accepts; one that finds everything, or is broken, finds nothing.
  std::vector<std::size_t> find(const std::vector<Matcher>& selector) const;

  struct Series {
    SeriesSamples data;
    // Samples before which a scrape lacked the series, and when that was; in rising time.
    std::vector<std::pair<Instant, Instant>> births;
  };
  // For one thread. Errors are those of TsdbHistory::Reader, which damaged() then tells more of.
  class Reader {
   public:
    explicit Reader(const TsdbFeed& feed) : feed_(feed), reader_(feed.history_) {}
    // Replaces what is in `out`.
    Result<void> read(std::size_t series, Series& out);
    const TsdbHistory::Reader& files() const { return reader_; }

   private:
    Result<void> tell_births(std::size_t series, Series& out);

    const TsdbFeed& feed_;
    TsdbHistory::Reader reader_;
  };
  // The first and the last sample or marker of all the plan's series.
  Result<std::optional<std::pair<Instant, Instant>>> extent(TsdbHistory::Reader& reader) const;

 private:
  // Series with the same job and instance, which were scraped together.
  struct Group {
    std::optional<std::size_t> up;
    std::vector<std::size_t> series;
    // Worked out on first need, and then the same for all.
    std::vector<std::optional<std::pair<Instant, Instant>>> extents;  // without `up`: by series
    std::map<std::int64_t, std::optional<Instant>> absent;            // before a sample, where that was asked
  };
  Result<std::optional<Instant>> absent_before(Group& group, Instant first,
                                               TsdbHistory::Reader& reader) const;

  const TsdbHistory& history_;
  bool births_ = false;  // whether anything in the plan counts them
  std::vector<std::size_t> wanted_;
  store::Postings postings_;
  mutable std::mutex mutex_;  // over what groups work out
  mutable std::map<ScrapeGroupKey, Group> groups_;
};

}  // namespace signalbox::sources
