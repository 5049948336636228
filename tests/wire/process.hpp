// Child processes of tests, what they say, and folders to run them in.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace signalbox::wire {

using Patience = std::chrono::milliseconds;

// A folder of its own, gone with the object.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  std::string path(const std::string& name) const { return path_ + "/" + name; }
  // Whoever reads it sees the old text or the new one, never a part. Returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};
std::string read_file(const std::string& path);

struct ProcessOptions {
  std::vector<std::pair<std::string, std::string>> environment;  // added to the test's own
  std::string input = "/dev/null";
  std::string output;  // "" keeps it for out(); else a path, which may be a FIFO
};

// A child that does not outlive the test.
class Process {
 public:
  explicit Process(const std::vector<std::string>& words, const ProcessOptions& options = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  std::string out() const { return read_file(out_); }  // so far
  std::string err() const { return read_file(err_); }
  // The whole lines of out() that are JSON objects.
  std::vector<nlohmann::json> events() const;
  void signal(int number) const;
  // The exit code, or 128 + the signal that ended it; nothing when it still runs after `patience`.
  std::optional<int> wait(Patience patience);
  bool running() { return !wait(Patience(0)); }

 private:
  Folder folder_;
  std::string out_, err_;
  pid_t pid_ = -1;
  std::optional<int> code_;
};

struct Finished {
  int code = -1;  // -1: it did not end within a minute
  std::string out, err;
};
Finished run(const std::vector<std::string>& words, const ProcessOptions& options = {});

// Asks every 20 ms until the answer is yes. Deadlines of tests are generous: they end what would never end,
// and decide nothing else.
bool eventually(const std::function<bool()>& condition, Patience patience = std::chrono::seconds(30));

// "" when all these programs are on the PATH, else what to install.
std::string missing_programs(const std::vector<std::string>& names);
// A port of loopback that nobody has at the moment.
int free_port();

}  // namespace signalbox::wire
