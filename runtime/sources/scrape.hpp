// Scrapes of one address.
#pragma once

#include <functional>
#include <string>

#include "runtime/base/host.hpp"
#include "runtime/sources/ingest.hpp"

namespace signalbox::sources {

class Scraper {
 public:
  // `job` is the source's name in the program; the instance is the address' host and port.
  Scraper(Http& http, store::SeriesStore& store, std::string url, std::string job, Duration timeout,
          const Limits& limits);

  // One scrape, stamped `at`. A page that does not come in time, is not 200, is too long or has a fault is a
  // failed scrape: its series end with stale markers. A page with samples later than `at` is taken without
  // them, and that is said. One at a time.
  using Scraped = Result<std::optional<Error>>;  // what was left out
  void scrape(Instant at, std::function<void(const Scraped&)> done);

 private:
  Http& http_;
  std::string url_;
  Duration timeout_;
  Limits limits_;
  PageIngest ingest_;
};

// "127.0.0.1:8080" of a URL, with the scheme's port where none is written.
std::string instance_of(const std::string& url);

}  // namespace signalbox::sources
