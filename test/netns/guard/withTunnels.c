/*
 * Runs a program that holds so many tunnel devices: with-tunnels COUNT PROGRAM [ARGUMENT...]. When its process ends the
 * kernel takes them away one by one, some milliseconds each, on every kernel; sockets are closed at once where
 * rcu_expedited is set.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int count, char **words) {
  long tunnels = count > 2 ? strtol(words[1], NULL, 10) : 0;
  if (tunnels <= 0) {
    fprintf(stderr, "usage: with-tunnels COUNT PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  for (long made = 0; made < tunnels; made++) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    int device = open("/dev/net/tun", O_RDWR);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) {
      perror("/dev/net/tun");
      return 1;
    }
  }
  execvp(words[2], words + 2);
  perror(words[2]);
  return 1;
}
