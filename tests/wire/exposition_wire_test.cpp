// A real exporter's pages in both formats, and promtool as a second opinion on what is a page and what is
// not.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "runtime/formats/exposition.hpp"
#include "tests/support/exposition_samples.hpp"

extern char** environ;

namespace signalbox::formats {
namespace {

constexpr const char* exporter_binary = "/usr/bin/prometheus-node-exporter";
constexpr const char* promtool_binary = "/usr/bin/promtool";

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  int port = 0;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    port = ntohs(address.sin_port);
  close(fd);
  return port;
}

struct Answer {
  std::string content_type, body;
};

// HTTP/1.0, so that the body comes in one piece and the connection's end is its end.
std::optional<Answer> fetch(int port, const std::string& accept) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return std::nullopt;
  }
  std::string request = "GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n";
  if (!accept.empty()) request += "Accept: " + accept + "\r\n";
  request += "\r\n";
  std::string all;
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[65536];
    pollfd readable{fd, POLLIN, 0};
    while (poll(&readable, 1, 10'000) == 1) {
      const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      all.append(buffer, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  const std::size_t head = all.find("\r\n\r\n");
  if (head == std::string::npos || all.compare(0, 5, "HTTP/") != 0 || all.compare(9, 3, "200") != 0)
    return std::nullopt;
  Answer answer;
  answer.body = all.substr(head + 4);
  std::string headers = all.substr(0, head);
  for (char& c : headers) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string field = "\r\ncontent-type: ";
  if (const std::size_t at = headers.find(field); at != std::string::npos) {
    const std::size_t start = at + field.size();
    answer.content_type = headers.substr(start, headers.find("\r\n", start) - start);
  }
  return answer;
}

pid_t spawn(const std::vector<std::string>& words, const char* input, const char* output) {
  std::vector<char*> argv;
  for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, input, O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t pid = -1;
  if (posix_spawn(&pid, words[0].c_str(), &files, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&files);
  return pid;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class ExpositionWire : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* binary : {exporter_binary, promtool_binary})
      ASSERT_EQ(access(binary, X_OK), 0)
          << binary << " is missing: install Debian's prometheus and prometheus-node-exporter";
    char pattern[] = "/tmp/exposition-wire-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    if (exporter_ > 0) {
      kill(exporter_, SIGKILL);
      waitpid(exporter_, nullptr, 0);
    }
    if (folder_.empty()) return;
    std::filesystem::remove_all(folder_);
  }

  void start_exporter() {
    port_ = free_port();
    ASSERT_NE(port_, 0);
    exporter_ = spawn({exporter_binary, "--web.listen-address=127.0.0.1:" + std::to_string(port_)},
                      "/dev/null", (folder_ + "/exporter").c_str());
    ASSERT_GT(exporter_, 0) << "the exporter cannot be started";
    for (int tries = 0; tries < 200; ++tries) {
      if (fetch(port_, "")) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "the exporter does not answer: " << slurp(folder_ + "/exporter");
  }

  int promtool(std::vector<std::string> words, const std::string& page) {
    std::ofstream(folder_ + "/page", std::ios::binary) << page;
    words.insert(words.begin(), promtool_binary);
    const pid_t pid = spawn(words, (folder_ + "/page").c_str(), (folder_ + "/said").c_str());
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status));
    return WEXITSTATUS(status);
  }
  // promtool ends with 1 when it cannot read a page, and with 3 when it read it and dislikes its names.
  bool promtool_reads(const std::string& page) {
    const int code = promtool({"check", "metrics"}, page);
    return code == 0 || code == 3;
  }
  // The only reader of OpenMetrics in promtool makes blocks of it; it wants a time on every sample.
  bool promtool_reads_openmetrics(const std::string& page) {
    const bool read =
        promtool({"tsdb", "create-blocks-from", "openmetrics", folder_ + "/page", folder_ + "/blocks"},
                 page) == 0;
    std::filesystem::remove_all(folder_ + "/blocks");
    return read;
  }
  std::string said() const { return slurp(folder_ + "/said"); }

  std::string folder_;
  pid_t exporter_ = -1;
  int port_ = 0;
};

struct Page {
  std::map<std::string, std::size_t> names;
  std::map<std::string, std::string> types;
  std::set<std::string> series;
  std::vector<ExpositionSample> samples;
  Result<void> result;
};
Page read(std::string_view text, ExpositionFormat format) {
  Page page;
  page.result = test::read_samples(
      text, format, Limits{}, 0,
      [&](ExpositionSample&& s) {
        ++page.names[std::string(s.labels.get(metric_name_label))];
        page.series.insert(to_string(s.labels));
        page.samples.push_back(std::move(s));
      },
      [&](const ExpositionFamily& f) { page.types[f.name] = f.type; });
  return page;
}

// Debian's exporter answers with Prometheus' text whatever is asked for; a newer one may not.
TEST_F(ExpositionWire, NodeExporterWhateverIsAskedFor) {
  start_exporter();
  for (const char* accept :
       {"", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}) {
    const auto answer = fetch(port_, accept);
    ASSERT_TRUE(answer);
    const ExpositionFormat format = detect_exposition(answer->content_type, answer->body);
    const Page page = read(answer->body, format);
    ASSERT_TRUE(page.result) << page.result.error().message;
    EXPECT_GT(page.samples.size(), 300u);
    EXPECT_EQ(page.series.size(), page.samples.size()) << "no series stands twice on a page";
    for (const char* name : {"node_cpu_seconds_total", "node_load1", "node_memory_MemTotal_bytes",
                             "node_time_seconds", "go_gc_duration_seconds_sum", "process_cpu_seconds_total"})
      EXPECT_GT(page.names.count(name), 0u) << name;
    EXPECT_GE(page.names.at("node_cpu_seconds_total"), 8u);
    EXPECT_EQ(page.types.at("go_gc_duration_seconds"), "summary");
    std::size_t lines = 0;
    for (std::size_t at = 0; at < answer->body.size(); at = answer->body.find('\n', at) + 1)
      if (answer->body[at] != '#') ++lines;
    EXPECT_EQ(page.samples.size(), lines);
    if (format == ExpositionFormat::prometheus) {
      EXPECT_TRUE(promtool_reads(answer->body)) << said();
    }

    // The same samples in the other format, as Prometheus reads it and as we do.
    std::vector<ExpositionSample> samples = page.samples;
    for (ExpositionSample& s : samples) s.time = Instant{1'700'000'000'123};
    const auto open = write_openmetrics(samples);
    ASSERT_TRUE(open) << open.error().message;
    EXPECT_TRUE(promtool_reads_openmetrics(*open)) << said();
    const Page back = read(*open, ExpositionFormat::openmetrics);
    ASSERT_TRUE(back.result) << back.result.error().message;
    EXPECT_EQ(back.series, page.series);
  }
}

TEST_F(ExpositionWire, PromtoolAgreesOnWhatIsAPage) {
  for (const char* page : {"m 1\n",
                           "m{a=\"1\"} 1\n",
                           "m{a=\"1\",} 1\n",
                           "m{ a = \"1\" } 1 5\n",
                           "m{a=\"\\\\\\\"\\n\"} 1\n",
                           "m NaN\n",
                           "m +Inf\n",
                           "m{a=\"\\d\"} 1\n",
                           "m{a=\"1\",a=\"2\"} 1\n",
                           "m{a=\"1\n\"} 1\n",
                           "m 1_000\n",
                           "m 1e999\n",
                           "m one\n",
                           "m\n",
                           "m{a=1} 1\n",
                           "m-n 1\n",
                           "m 1 1.5\n",
                           "m 1 2 3\n",
                           "m 1\r\n",
                           "# TYPE m countre\n",
                           "m{a=\"\xff\"} 1\n",
                           "m{__name__=\"n\"} 1\n",
                           "<!DOCTYPE html>\n",
                           "\n\n  m 1\n",
                           "# HELP m\nm 1\n"})
    EXPECT_EQ(static_cast<bool>(read(page, ExpositionFormat::prometheus).result), promtool_reads(page))
        << page << said();
}

TEST_F(ExpositionWire, PromtoolAgreesOnWhatIsOpenMetrics) {
  for (const char* page : {"m 1 1.5\n# EOF\n",
                           "m 1 1.5\n# EOF",
                           "m 1 1.5\n",
                           "m 1 1.5\n# EOF\nx 1\n",
                           "m 1 1.5\n# EOF\n\n",
                           "\nm 1 1.5\n# EOF\n",
                           "m  1 1.5\n# EOF\n",
                           "m 1\t1\n# EOF\n",
                           "m 1 1 \n# EOF\n",
                           "m 1 1\r\n# EOF\n",
                           "m 1 1e3\n# EOF\n",
                           "m 1 -1.5\n# EOF\n",
                           "m 1 NaN\n# EOF\n",
                           "m{} 1 1\n# EOF\n",
                           "m{,} 1 1\n# EOF\n",
                           "m{a=\"1\",} 1 1.5\n# EOF\n",
                           "m{ a=\"1\"} 1 1\n# EOF\n",
                           "m{a=\"b\"}1 1\n# EOF\n",
                           "m{a=\"\\d\"} 1 1.5\n# EOF\n",
                           "m{a=\"\xff\"} 1 1\n# EOF\n",
                           "m{a=\"1\",a=\"2\"} 1 1.5\n# EOF\n",
                           "# hm\nm 1 1.5\n# EOF\n",
                           "# HELP m\n# EOF\n",
                           "# TYPE m info\n# EOF\n",
                           "# TYPE m untyped\nm 1 1.5\n# EOF\n",
                           "# UNIT m_seconds seconds\nm_seconds 1 1\n# EOF\n",
                           "# TYPE m counter\nm_total 1 1.5 # {a=\"b\"} 1\n# EOF\n",
                           "# TYPE m counter\nm_total 1 1.5 # {} 1 2.5\n# EOF\n",
                           "# TYPE m counter\nm_total 1 1.5 # {a=\"b\"} 1 2 3\n# EOF\n",
                           "# TYPE m counter\nm_total 1 1.5 # {a=\"b\"}\n# EOF\n",
                           "# TYPE m counter\nm_total 1 1.5 #\n# EOF\n"})
    EXPECT_EQ(static_cast<bool>(read(page, ExpositionFormat::openmetrics).result),
              promtool_reads_openmetrics(page))
        << page << said();
}

}  // namespace
}  // namespace signalbox::formats
