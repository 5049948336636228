// What Signalbox needs of the world. The runtime reads no clock, opens no socket and no file, and draws
// no random number but through these; a simulator implements them with a virtual clock and seeded faults,
// a daemon with its own loop. All calls and all completions happen on one thread, the host's; a completion
// may run before the call that takes it returns, and is called exactly once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace signalbox {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() = 0;  // may step in both directions, as wall clocks do
};

class Timer {
 public:
  virtual ~Timer() = default;
  // Runs `task` once, at `when` or as soon after as the host can; at once if `when` is past.
  virtual void at(Instant when, std::function<void()> task) = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;  // unpredictable outside a simulator
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Duration timeout = seconds(10);  // for everything: connect, send, receive
  std::size_t max_response_bytes = 1u << 20;
};
struct HttpResponse {
  int status = 0;
  std::string content_type;
  std::string body;
};
// What helps with a status that is no answer; empty where nothing more is known.
constexpr std::string_view way_out_of_status(int status) {
  if (status >= 300 && status < 400) return "redirects are not followed: name the address that it leads to";
  if (status == 401 || status == 403) return "it answers those it knows: name a proxy that says who asks";
  if (status == 404) return "check the path";
  if (status == 429) return "it is asked too often: ask less of it at a time";
  return "";
}
class Http {
 public:
  virtual ~Http() = default;
  // Redirects are never followed: a 3xx is handed back as it is. Errors: `unreachable` when nothing was
  // sent, `outcome_unknown` when the request may have arrived, `limit_exceeded` when the body was longer
  // than allowed (the request did arrive), `refused` by an egress rule, `invalid_argument` for a bad URL.
  virtual void send(HttpRequest request, std::function<void(Result<HttpResponse>)> completion) = 0;
};

// A file to read. Offsets and sizes are bytes.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Fewer bytes than asked for only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
  virtual Result<std::uint64_t> size() = 0;
};
// One file of a Disk. Written bytes survive a crash only after sync().
class DiskFile : public ReadableFile {
 public:
  virtual Result<void> write(std::uint64_t offset, std::span<const std::uint8_t> bytes) = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  virtual Result<void> sync() = 0;
};
class Disk {
 public:
  virtual ~Disk() = default;
  enum class Open { existing, create };  // `create` opens what exists and makes what does not
  virtual Result<std::unique_ptr<DiskFile>> open(const std::string& path, Open how) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<void> remove(const std::string& path) = 0;  // of what is absent: ok
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> sync_directory(const std::string& path) = 0;  // makes creates, renames, removes last
  virtual Result<void> make_directory(const std::string& path) = 0;  // of what exists: ok
};

// Folders that somebody else writes: their files may grow, be cut short and vanish at any time. Nothing here
// changes or locks them. The one part of the host that several threads may use at once, with the files it
// opened.
class ForeignFolders {
 public:
  virtual ~ForeignFolders() = default;
  struct Entry {
    std::string name;
    bool folder = false;
  };
  // What is in the folder, by name. `not_found` when there is none.
  virtual Result<std::vector<Entry>> list(const std::string& path) = 0;
  // `not_found` when there is none. An open file can be read on when it has been removed.
  virtual Result<std::unique_ptr<ReadableFile>> open(const std::string& path) = 0;
};

// State as transactions on a small ordered map of opaque bytes. Asynchronous from day one: an embedded
// database completes at once, a consensus store does not, and either may not know what happened.
struct StoreEntry {
  std::string key, value;
  std::uint64_t version = 0;  // grows with each put of the key; never 0
};
struct StoreTransaction {
  // Who writes. Larger than or equal to every fence the store has seen, else `conflict`; remembered.
  std::uint64_t fence = 0;
  struct Compare {
    std::string key;
    std::uint64_t version = 0;  // 0: the key must be absent
  };
  struct Put {
    std::string key;
    std::optional<std::string> value;  // nothing: erase
  };
  std::vector<Compare> compares;
  std::vector<Put> puts;
};
enum class CommitOutcome {
  committed,  // durable, all of it
  conflict,   // nothing of it, and never will be
  unknown,    // all or nothing, and the store cannot say which; read before going on
};
class TransactionStore {
 public:
  virtual ~TransactionStore() = default;
  virtual void commit(StoreTransaction transaction, std::function<void(CommitOutcome)> completion) = 0;
  // All entries whose key starts with `prefix`, in key order, as of one moment.
  virtual void read(std::string prefix, std::function<void(Result<std::vector<StoreEntry>>)> completion) = 0;
  // The largest fence seen; 0 in a new store.
  virtual void read_fence(std::function<void(Result<std::uint64_t>)> completion) = 0;
};

// The world, as one engine sees it. References must outlive the engine.
struct Host {
  Clock& clock;
  Timer& timer;
  Random& random;
  Http& http;
  Disk& disk;
  TransactionStore& store;
};

}  // namespace signalbox
