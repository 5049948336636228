#include "tests/wire/prometheus_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

namespace signalbox::wire {
namespace {

bool installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access(folder.append("/").append(program).c_str(), X_OK) == 0) return true;
  return false;
}

pid_t spawn(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

std::string tail_of(const std::string& file) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_field(std::string& out, int number, std::string_view bytes) {
  put_varint(out, static_cast<std::uint64_t>(number) << 3 | 2);
  put_varint(out, bytes.size());
  out.append(bytes);
}
void put_double(std::string& out, int number, double value) {
  put_varint(out, static_cast<std::uint64_t>(number) << 3 | 1);
  auto bits = std::bit_cast<std::uint64_t>(value);
  for (int i = 0; i < 8; ++i, bits >>= 8) out.push_back(static_cast<char>(bits));
}
void put_integer(std::string& out, int number, std::uint64_t value) {
  put_varint(out, static_cast<std::uint64_t>(number) << 3);
  put_varint(out, value);
}
std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

// Spans, differences, and counts of one side stand under three numbers in a row.
void put_buckets(std::string& out, int number, const std::vector<NativeHistogram::Bucket>& buckets,
                 bool floats) {
  std::string differences, counts;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < buckets.size();) {
    std::size_t end = i + 1;
    while (end < buckets.size() && buckets[end].index == buckets[end - 1].index + 1) ++end;
    std::string span;
    const std::int32_t from = i == 0 ? 0 : buckets[i - 1].index + 1;
    put_integer(span, 1, zigzag(buckets[i].index - from));
    put_integer(span, 2, end - i);
    put_field(out, number, span);
    for (; i < end; ++i) {
      const auto bits = std::bit_cast<std::uint64_t>(buckets[i].count);
      for (int byte = 0; byte < 8; ++byte) counts.push_back(static_cast<char>(bits >> 8 * byte));
      const auto count = static_cast<std::int64_t>(buckets[i].count);
      put_varint(differences, zigzag(count - before));
      before = count;
    }
  }
  if (floats && !counts.empty()) put_field(out, number + 2, counts);
  if (!floats && !differences.empty()) put_field(out, number + 1, differences);
}

std::string histogram_message(const TimedHistogram& one, bool floats) {
  NativeHistogram h;
  if (one.histogram) h = *one.histogram;
  std::string out;
  if (floats)
    put_double(out, 2, h.count);
  else
    put_integer(out, 1, static_cast<std::uint64_t>(h.count));
  put_double(out, 3, one.histogram ? h.sum : std::bit_cast<double>(0x7ff0000000000002ull));
  put_integer(out, 4, zigzag(h.schema));
  put_double(out, 5, h.zero_threshold);
  if (floats)
    put_double(out, 7, h.zero_count);
  else
    put_integer(out, 6, static_cast<std::uint64_t>(h.zero_count));
  put_buckets(out, 8, h.negative, floats);
  put_buckets(out, 11, h.positive, floats);
  put_integer(out, 15, static_cast<std::uint64_t>(one.time));
  return out;
}

}  // namespace

std::unique_ptr<PrometheusServer> PrometheusServer::start(const std::string& open_metrics, std::string& error,
                                                          std::vector<std::string> flags,
                                                          const std::string& config) {
  for (const char* program : {"prometheus", "promtool"}) {
    if (installed(program)) continue;
    error = fmt::format("{} is not installed; this test needs Debian's package 'prometheus' (2.42)", program);
    return nullptr;
  }
  std::unique_ptr<PrometheusServer> server(new PrometheusServer);
  std::string pattern = (std::filesystem::temp_directory_path() / "parity-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) {
    error = "no temporary directory";
    return nullptr;
  }
  server->directory_ = pattern;
  server->flags_ = std::move(flags);
  std::ofstream(pattern + "/samples.om", std::ios::binary) << open_metrics;
  std::ofstream(pattern + "/prometheus.yml") << config;

  if (open_metrics.empty()) return server->launch(error) ? std::move(server) : nullptr;
  const pid_t promtool = spawn(
      {"promtool", "tsdb", "create-blocks-from", "openmetrics", pattern + "/samples.om", pattern + "/data"},
      pattern + "/promtool.log");
  int status = 0;
  if (promtool < 0 || ::waitpid(promtool, &status, 0) != promtool || status != 0) {
    error = "promtool made no blocks: " + tail_of(pattern + "/promtool.log");
    return nullptr;
  }
  // Another process may take the free port before Prometheus does.
  for (int attempt = 0; attempt < 3; ++attempt)
    if (server->launch(error)) return server;
  return nullptr;
}

bool PrometheusServer::launch(std::string& error) {
  port_ = free_port();
  const std::string log = directory_ + "/prometheus.log";
  std::vector<std::string> command = {"prometheus",
                                      "--config.file=" + directory_ + "/prometheus.yml",
                                      "--storage.tsdb.path=" + data(),
                                      "--storage.tsdb.retention.time=100y",
                                      "--web.enable-remote-write-receiver",
                                      fmt::format("--web.listen-address=127.0.0.1:{}", port_)};
  command.insert(command.end(), flags_.begin(), flags_.end());
  pid_ = spawn(command, log);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
  while (pid_ > 0 && std::chrono::steady_clock::now() < deadline) {
    // On a port that another one took first, that one answers: its data lie elsewhere.
    if (get("/-/ready").status == 200 && get("/api/v1/status/flags").body.find(data()) != std::string::npos)
      return true;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  error = "prometheus did not get ready: " + tail_of(log);
  stop(SIGKILL);
  return false;
}

HttpAnswer PrometheusServer::write(const std::vector<RemoteSeries>& series) const {
  return post("/api/v1/write",
              {"Content-Type: application/x-protobuf", "Content-Encoding: snappy",
               "X-Prometheus-Remote-Write-Version: 0.1.0"},
              remote_write_body(series));
}

std::string PrometheusServer::last_words() const {
  siginfo_t info{};
  std::string how = "it runs";
  if (pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == pid_)
    how =
        fmt::format("it ended with {} {}", info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
  std::ifstream in(directory_ + "/prometheus.log");
  const std::string log((std::istreambuf_iterator<char>(in)), {});
  // A panic's first words say more than the end of its stack.
  const std::size_t panic = log.find("panic");
  if (panic != std::string::npos) return how + "; its log says: " + log.substr(panic, 2000);
  return how + "; its log ends: " + tail_of(directory_ + "/prometheus.log");
}

bool PrometheusServer::restart(std::string& error) {
  stop(SIGTERM);
  return launch(error);
}

void PrometheusServer::stop(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

PrometheusServer::~PrometheusServer() {
  stop(SIGKILL);
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

HttpAnswer PrometheusServer::exchange(const std::string& request) const {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port_);
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    std::size_t sent = 0;
    while (sent < request.size()) {
      const ssize_t n = ::send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    char buffer[1 << 16];
    for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  const std::size_t body = answer.find("\r\n\r\n");
  if (answer.size() < 12 || body == std::string::npos) return {};
  return {std::atoi(answer.c_str() + 9), answer.substr(body + 4)};
}

// HTTP/1.0: the answer comes in one piece and ends with the connection.
HttpAnswer PrometheusServer::get(const std::string& path_and_query) const {
  return exchange(fmt::format("GET {} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", path_and_query));
}
HttpAnswer PrometheusServer::post(const std::string& path, const std::vector<std::string>& headers,
                                  const std::string& body) const {
  std::string request =
      fmt::format("POST {} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n", path, body.size());
  for (const std::string& header : headers) request += header + "\r\n";
  return exchange(request + "\r\n" + body);
}

std::string percent_encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string remote_write_body(const std::vector<RemoteSeries>& series) {
  std::string request;
  for (const RemoteSeries& one : series) {
    std::string message;
    for (const auto& [name, value] : one.labels) {
      std::string label;
      put_field(label, 1, name);
      put_field(label, 2, value);
      put_field(message, 1, label);
    }
    for (const auto& [time, value] : one.samples) {
      std::string sample = "\x09";
      std::uint64_t bits = std::bit_cast<std::uint64_t>(value);
      for (int i = 0; i < 8; ++i, bits >>= 8) sample.push_back(static_cast<char>(bits));
      sample.push_back('\x10');
      put_varint(sample, static_cast<std::uint64_t>(time));
      put_field(message, 2, sample);
    }
    for (const TimedHistogram& histogram : one.histograms)
      put_field(message, 4, histogram_message(histogram, one.floats));
    put_field(request, 1, message);
  }
  std::string block;
  put_varint(block, request.size());
  for (std::size_t at = 0; at < request.size(); at += 60) {
    const std::string_view piece = std::string_view(request).substr(at, 60);
    block.push_back(static_cast<char>((piece.size() - 1) << 2));
    block.append(piece);
  }
  return block;
}

}  // namespace signalbox::wire
