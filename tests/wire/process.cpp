#include "tests/wire/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace signalbox::wire {

using std::chrono::steady_clock;

Folder::Folder() : path_((std::filesystem::temp_directory_path() / "wire-XXXXXX").string()) {
  if (!::mkdtemp(path_.data())) std::abort();
}
Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}
std::string Folder::write(const std::string& name, const std::string& text) const {
  const std::string fresh = path(name) + ".fresh";
  std::ofstream(fresh, std::ios::binary) << text;
  std::filesystem::rename(fresh, path(name));
  return path(name);
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Process::Process(const std::vector<std::string>& words, const ProcessOptions& options)
    : out_(options.output.empty() ? folder_.path("out") : options.output), err_(folder_.path("err")) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) std::abort();
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
  const int in = ::open(options.input.c_str(), O_RDONLY);
  const int out = ::open(out_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err = ::open(err_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::closefrom(3);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

Process::~Process() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::vector<nlohmann::json> Process::events() const {
  std::vector<nlohmann::json> events;
  const std::string text = out();
  std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object()) events.push_back(std::move(event));
  }
  return events;
}

void Process::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

std::optional<int> Process::wait(Patience patience) {
  const auto deadline = steady_clock::now() + patience;
  while (!code_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_)
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    else if (steady_clock::now() >= deadline)
      return std::nullopt;
    else
      std::this_thread::sleep_for(Patience(5));
  }
  return code_;
}

Finished run(const std::vector<std::string>& words, const ProcessOptions& options) {
  Process process(words, options);
  Finished finished;
  finished.code = process.wait(std::chrono::minutes(1)).value_or(-1);
  if (options.output.empty()) finished.out = process.out();
  finished.err = process.err();
  return finished;
}

bool eventually(const std::function<bool()>& condition, Patience patience) {
  const auto deadline = steady_clock::now() + patience;
  while (!condition()) {
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(Patience(20));
  }
  return true;
}

std::string missing_programs(const std::vector<std::string>& names) {
  const char* path = std::getenv("PATH");
  std::string missing;
  for (const std::string& name : names) {
    bool found = false;
    std::istringstream folders(path ? path : "");
    for (std::string folder; !found && std::getline(folders, folder, ':');)
      found = ::access((folder + "/" + name).c_str(), X_OK) == 0;
    if (!found)
      missing += fmt::format("{} is not installed; this test needs it, from Debian's packages. ", name);
  }
  return missing;
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

}  // namespace signalbox::wire
