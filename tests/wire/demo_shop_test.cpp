// The demo's shop, as a program over a socket: what the demo claims rests on its rollback having one effect
// for each key, and on its refusing what is not signed.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/digest.hpp"
#include "runtime/base/time.hpp"

namespace {

using nlohmann::json;

// A child process and the read end of its standard output.
class Program {
 public:
  explicit Program(std::vector<std::string> words) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      std::vector<char*> argv;
      argv.reserve(words.size() + 1);
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    out_ = ends[0];
  }
  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      wait();
    }
    if (out_ >= 0) close(out_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string line() {
    std::string text;
    char c = 0;
    while (read(out_, &c, 1) == 1 && c != '\n') text += c;
    return text;
  }
  void wait() {
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

struct Reply {
  int status = 0;
  std::string head, body;
  json parsed() const { return json::parse(body, nullptr, false); }
};

class Shop {
 public:
  explicit Shop(std::vector<std::string> options = {}) : program_(words(std::move(options))) {
    const json told = json::parse(program_.line(), nullptr, false);
    if (!told.is_object()) return;
    const std::string url = told.value("listening", "");
    const std::size_t colon = url.rfind(':');
    std::from_chars(url.data() + colon + 1, url.data() + url.size(), port);
  }

  Reply send(const std::string& method, const std::string& path, const std::string& body = "",
             const std::string& headers = "") const {
    return exchange(method + " " + path + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
  }

  Reply exchange(const std::string& bytes) const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    Reply reply;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())) {
      std::string in;
      std::array<char, 4096> part{};
      for (ssize_t n = 0; (n = recv(fd, part.data(), part.size(), 0)) > 0;)
        in.append(part.data(), static_cast<std::size_t>(n));
      const std::size_t end = in.find("\r\n\r\n");
      if (end != std::string::npos) {
        reply.head = in.substr(0, end);
        reply.body = in.substr(end + 4);
        std::from_chars(in.data() + 9, in.data() + 12, reply.status);
      }
    }
    close(fd);
    return reply;
  }

  json effects() const { return send("GET", "/effects").parsed(); }
  std::string version() const { return send("GET", "/version").parsed().value("version", ""); }

  std::uint16_t port = 0;

 private:
  static std::vector<std::string> words(std::vector<std::string> options) {
    options.insert(options.begin(), {DEMO_SHOP, "--port", "0"});
    return options;
  }
  Program program_;
};

TEST(DemoShop, RollbackHasOneEffectForEachKey) {
  const Shop shop;
  ASSERT_EQ(shop.send("POST", "/deploy", R"({"version":"v2","errors":0.25})").status, 200);
  EXPECT_EQ(shop.version(), "v2");

  const Reply first = shop.send("POST", "/rollback", R"({"to":"v1"})", "Idempotency-Key: episode-1\r\n");
  ASSERT_EQ(first.status, 200);
  EXPECT_EQ(shop.version(), "v1");

  // Another deploy in between: the repeated request is answered as it was, and must not undo that.
  shop.send("POST", "/deploy", R"({"version":"v3","errors":0})");
  const Reply again = shop.send("POST", "/rollback", R"({"to":"v1"})", "idempotency-key: episode-1\r\n");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(shop.version(), "v3");

  const json effects = shop.effects();
  EXPECT_EQ(effects["by_key"]["episode-1"]["effects"], 1);
  EXPECT_EQ(effects["by_key"]["episode-1"]["requests"], 2);
  EXPECT_EQ(effects["without_key"], 0);
}

TEST(DemoShop, AKeyBelongsToOneRequest) {
  const Shop shop;
  shop.send("POST", "/deploy", R"({"version":"v2"})");
  EXPECT_EQ(shop.send("POST", "/rollback", R"({"to":"v1"})", "Idempotency-Key: k\r\n").status, 200);
  EXPECT_EQ(shop.send("POST", "/rollback", R"({"to":"v2"})", "Idempotency-Key: k\r\n").status, 422);
  EXPECT_EQ(shop.version(), "v1");
}

TEST(DemoShop, RefusesVersionsItCannotRun) {
  const Shop shop;
  for (const char* body : {R"({"to":"v9"})", R"({"to":1})", R"({"to":""})", R"({})", "v1", ""}) {
    EXPECT_EQ(shop.send("POST", "/rollback", body, "Idempotency-Key: bad\r\n").status, 400) << body;
  }
  for (const char* body :
       {R"({"version":"v 2"})", R"({"version":"v2","errors":1.5})", R"({"version":"v2","errors":"many"})"}) {
    EXPECT_EQ(shop.send("POST", "/deploy", body).status, 400) << body;
  }
  EXPECT_EQ(shop.version(), "v1");
  EXPECT_TRUE(shop.effects()["by_key"].empty());
}

TEST(DemoShop, ChecksTheSignatureOfTheBody) {
  const Shop shop({"--secret", "shared"});
  ASSERT_EQ(shop.send("POST", "/deploy", R"({"version":"v2","errors":0.25})").status, 200);
  const std::string body = R"({"to":"v1"})";
  const auto signed_with = [&](const std::string& secret, const std::string& of) {
    return "X-Signalbox-Signature: sha256=" + signalbox::hmac_sha256_hex(secret, of) + "\r\n";
  };
  EXPECT_EQ(shop.send("POST", "/rollback", body).status, 401);
  EXPECT_EQ(shop.send("POST", "/rollback", body, "X-Signalbox-Signature: sha256=\r\n").status, 401);
  EXPECT_EQ(shop.send("POST", "/rollback", body, signed_with("other", body)).status, 401);
  EXPECT_EQ(shop.send("POST", "/rollback", body, signed_with("shared", body + " ")).status, 401);
  EXPECT_EQ(shop.version(), "v2");
  EXPECT_EQ(shop.send("POST", "/hook", "{}").status, 401);
  EXPECT_EQ(shop.send("POST", "/rollback", body, signed_with("shared", body)).status, 200);
  EXPECT_EQ(shop.version(), "v1");
}

TEST(DemoShop, ErrorSeriesIsBornWithItsFirstError) {
  const Shop shop;
  shop.send("POST", "/deploy", R"({"version":"v2","errors":0.25})");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(shop.send("GET", "/checkout").status, 200);
  EXPECT_EQ(shop.send("GET", "/metrics").body.find("code=\"500\""), std::string::npos);
  const Reply failed = shop.send("GET", "/checkout");
  EXPECT_EQ(failed.status, 500);
  EXPECT_NE(failed.head.find("X-Version: v2"), std::string::npos);
  const std::string metrics = shop.send("GET", "/metrics").body;
  const std::string who = R"({service="checkout",region="eu",env="prod",)";
  EXPECT_NE(metrics.find("http_requests_total" + who + "code=\"200\"} 3\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("http_requests_total" + who + "code=\"500\"} 1\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("le=\"0.3\"} 4\n"), std::string::npos) << metrics;
}

TEST(DemoShop, TakesPagesAndSurvivesNonsense) {
  const Shop shop;
  EXPECT_EQ(shop.send("POST", "/hook", R"({"summary":"wake up"})").status, 200);
  EXPECT_EQ(shop.send("GET", "/pages").parsed()[0]["body"]["summary"], "wake up");
  EXPECT_EQ(shop.exchange("nonsense\r\n\r\n").status, 400);
  EXPECT_EQ(shop.exchange("POST /hook HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n").status, 413);
  EXPECT_EQ(shop.exchange("POST /hook HTTP/1.1\r\nContent-Length: -1\r\n\r\n").status, 400);
  EXPECT_EQ(shop.exchange("GET /version HTTP/1.1\r\nno colon\r\n\r\n").status, 400);
  EXPECT_EQ(shop.send("PUT", "/version").status, 405);
  EXPECT_EQ(shop.send("GET", "/elsewhere").status, 404);
  EXPECT_EQ(shop.version(), "v1");
}

TEST(DemoLoad, TellsTheFirstAndLastBadAnswerOfEachVersion) {
  const Shop shop;
  Program load({DEMO_LOAD, "--port", std::to_string(shop.port), "--rate", "200", "--for", "2s"});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  shop.send("POST", "/deploy", R"({"version":"v2","errors":0.25})");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  shop.send("POST", "/rollback", R"({"to":"v1"})");

  std::vector<json> events;
  for (std::string line = load.line(); !line.empty(); line = load.line()) events.push_back(json::parse(line));
  const auto find = [&](const char* event, const char* version) {
    for (const json& e : events) {
      if (e["event"] == event && (version == nullptr || e.value("version", "") == version)) return e;
    }
    return json();
  };
  EXPECT_TRUE(find("version", "v1").is_object());
  const json first = find("first_bad", "v2");
  const json last = find("last_bad", "v2");
  ASSERT_TRUE(first.is_object());
  ASSERT_TRUE(last.is_object());
  EXPECT_LT(*signalbox::parse_instant(first["time"].get<std::string>()),
            *signalbox::parse_instant(last["time"].get<std::string>()));
  const json total = find("finished", nullptr);
  ASSERT_TRUE(total.is_object());
  EXPECT_EQ(total["requests"], 400);
  long seconds = 0;
  for (const json& e : events) {
    if (e["event"] == "second") seconds += e["requests"].get<long>();
  }
  EXPECT_EQ(seconds, 400);
}

TEST(Nab2om, WritesTimestampedGauges) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "nab2om" / "realKnownCause";
  std::filesystem::create_directories(folder);
  const std::filesystem::path csv = folder / "2-part.csv";
  const std::filesystem::path windows = folder.parent_path() / "windows.json";
  std::ofstream(csv)
      << "timestamp,value\n2014-03-07 03:41:00,45.868\n2014-03-07 03:46:00,1e3\n2014-03-07 03:46:00,7\n";
  std::ofstream(windows)
      << R"({"realKnownCause/2-part.csv":[["2014-03-14 03:31:00.000000","2014-03-14 14:41:00.000000"]]})";
  {
    Program program({NAB2OM, csv.string()});
    EXPECT_EQ(program.line(), "# TYPE _2_part gauge");
    EXPECT_EQ(program.line(), R"(_2_part{series="realKnownCause/2-part"} 45.868 1394163660)");
    EXPECT_EQ(program.line(), R"(_2_part{series="realKnownCause/2-part"} 1e3 1394163960)");
    EXPECT_EQ(program.line(), "# EOF");
  }
  Program program({NAB2OM, "--windows", windows.string()});
  EXPECT_EQ(program.line(), "realKnownCause/2-part 2014-03-14T03:31:00Z 2014-03-14T14:41:00Z");
}

}  // namespace
