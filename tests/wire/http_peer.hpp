// The other side of the wire: an HTTP server in the test, which answers as told, keeps what it was sent, and
// can hang or never come to an end.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace signalbox::wire {

struct PeerRequest {
  std::string method, path, body;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string header(const std::string& name) const;
};
struct PeerAnswer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body = {};
  std::vector<std::string> headers = {};
  std::chrono::milliseconds delay{0};  // before it is sent; others are answered meanwhile
  bool hang = false;                   // nothing is answered, and the connection stays open
  std::size_t promised = 0;            // bytes of a body that is made up as it is sent, instead of `body`
};

class HttpPeer {
 public:
  // `handler` is called from several threads, one call at a time.
  explicit HttpPeer(std::function<PeerAnswer(const PeerRequest&)> handler);
  HttpPeer(const HttpPeer&) = delete;
  HttpPeer& operator=(const HttpPeer&) = delete;
  ~HttpPeer();
  int port() const { return port_; }
  std::string url(const std::string& path) const;
  std::vector<PeerRequest> requests(const std::string& path) const;

 private:
  void accept_all();
  void serve(int fd);
  void send_answer(int fd, const PeerAnswer& answer) const;

  std::function<PeerAnswer(const PeerRequest&)> handler_;
  int fd_ = -1, port_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<PeerRequest> requests_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

// One request to 127.0.0.1:port; status 0 when there was no answer.
struct HttpReply {
  int status = 0;
  std::string body = {};
};
HttpReply http_get(int port, const std::string& path_and_query);

}  // namespace signalbox::wire
