/* What one lookup of a workload comes to: `getaddrinfo NAME` prints how it ended, the seconds that it took, and the
 * addresses. Built twice, with the C library of most images and with musl. */
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static const char *word_of(int ended) {
  switch (ended) {
  case 0: return "OK";
  case EAI_AGAIN: return "EAI_AGAIN";
  case EAI_FAIL: return "EAI_FAIL";
  case EAI_NONAME: return "EAI_NONAME";
  default: return gai_strerror(ended);
  }
}

int main(int count, char **words) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  struct timespec from, until;
  char text[64];
  if (count != 2) return 2;
  clock_gettime(CLOCK_MONOTONIC, &from);
  int ended = getaddrinfo(words[1], NULL, &hints, &found);
  clock_gettime(CLOCK_MONOTONIC, &until);
  printf("%s %.3f", word_of(ended), until.tv_sec - from.tv_sec + (until.tv_nsec - from.tv_nsec) / 1e9);
  for (; found != NULL; found = found->ai_next)
    if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
      printf(" %s", text);
  printf("\n");
  return 0;
}
