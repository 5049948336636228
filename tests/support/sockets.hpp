// Clients and servers that behave badly on purpose, on loopback, for tests of the loop.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace signalbox::test {

// A connected, non-blocking socket to 127.0.0.1:port.
class Client {
 public:
  explicit Client(int port);
  Client(Client&& other) noexcept;
  Client(const Client&) = delete;
  ~Client();
  bool send(std::string_view bytes);  // false when the peer is gone
  // Takes in what has come; true while the connection is open.
  bool receive();
  const std::string& received() const { return received_; }
  int status() const;  // of the answer so far; 0 when there is none

 private:
  int fd_ = -1;
  std::string received_;
};

// Listens, and never accepts: connections succeed in the kernel and then nothing comes.
class SilentServer {
 public:
  SilentServer();
  ~SilentServer();
  int port() const { return port_; }

 private:
  int port_ = 0;
  int fd_;
};

// Takes one connection, reads to the empty line, sends `answer` as it is and closes.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::string answer);
  ~ScriptedServer();
  int port() const { return port_; }
  // Of what the client sent, up to and with the empty line. Ends the server.
  std::string request();

 private:
  int port_ = 0;
  int fd_;
  std::string request_;
  std::thread thread_;
};

// A port of 127.0.0.1 on which nobody listens.
int closed_port();

}  // namespace signalbox::test
