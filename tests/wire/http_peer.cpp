#include "tests/wire/http_peer.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace signalbox::wire {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

PeerRequest parse_head(const std::string& head) {
  PeerRequest request;
  std::istringstream lines(head);
  std::string line;
  std::getline(lines, line);
  std::istringstream(line) >> request.method >> request.path;
  while (std::getline(lines, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string value = line.substr(colon + 1);
    value.erase(0, value.find_first_not_of(' '));
    while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.pop_back();
    request.headers[lower(line.substr(0, colon))] = value;
  }
  return request;
}

}  // namespace

std::string PeerRequest::header(const std::string& name) const {
  const auto it = headers.find(lower(name));
  return it == headers.end() ? "" : it->second;
}

HttpPeer::HttpPeer(std::function<PeerAnswer(const PeerRequest&)> handler) : handler_(std::move(handler)) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 64) != 0 ||
      ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

HttpPeer::~HttpPeer() {
  stopping_ = true;
  ::shutdown(fd_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  ::close(fd_);
}

std::string HttpPeer::url(const std::string& path) const {
  return fmt::format("http://127.0.0.1:{}{}", port_, path);
}

std::vector<PeerRequest> HttpPeer::requests(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  std::vector<PeerRequest> out;
  for (const PeerRequest& request : requests_)
    if (request.path == path) out.push_back(request);
  return out;
}

void HttpPeer::accept_all() {
  while (!stopping_) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) connections_.emplace_back([this, fd] { serve(fd); });
  }
}

void HttpPeer::serve(int fd) {
  std::string in;
  std::size_t body = std::string::npos;
  PeerRequest request;
  char buffer[4096];
  while (!stopping_) {
    if (body == std::string::npos && in.find("\r\n\r\n") != std::string::npos) {
      body = in.find("\r\n\r\n") + 4;
      request = parse_head(in.substr(0, body));
    }
    if (body != std::string::npos) {
      const auto length = std::strtoull(request.header("content-length").c_str(), nullptr, 10);
      if (in.size() - body >= length) {
        request.body = in.substr(body, length);
        PeerAnswer answer;
        {
          const std::scoped_lock lock(mutex_);
          requests_.push_back(request);
          answer = handler_(request);
        }
        send_answer(fd, answer);
        break;
      }
    }
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, 50) <= 0) continue;
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    in.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
}

void HttpPeer::send_answer(int fd, const PeerAnswer& answer) const {
  std::this_thread::sleep_for(answer.delay);
  while (answer.hang && !stopping_) {
    pollfd gone{fd, POLLIN, 0};
    if (::poll(&gone, 1, 50) > 0) return;
  }
  if (answer.hang) return;
  const std::size_t length = answer.promised > 0 ? answer.promised : answer.body.size();
  std::string head =
      fmt::format("HTTP/1.1 {} Told\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
                  answer.status, answer.type, length);
  for (const std::string& header : answer.headers) head += header + "\r\n";
  if (!send_all(fd, head + "\r\n" + (answer.promised > 0 ? "" : answer.body))) return;
  std::string part;
  while (part.size() < 65'536) part += "# a page without an end\n";
  for (std::size_t sent = 0; sent < answer.promised && !stopping_; sent += part.size())
    if (!send_all(fd, std::string_view(part).substr(0, answer.promised - sent))) return;
}

HttpReply http_get(int port, const std::string& path_and_query) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  std::string in;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send_all(fd, fmt::format("GET {} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", path_and_query))) {
    char buffer[65'536];
    for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      in.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  const std::size_t body = in.find("\r\n\r\n");
  if (in.size() < 12 || body == std::string::npos) return {};
  return {std::atoi(in.c_str() + 9), in.substr(body + 4)};
}

}  // namespace signalbox::wire
