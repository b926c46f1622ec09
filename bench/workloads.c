/* The workloads of bench/overhead.py: one process, one loop, operations counted.
 *
 *   workloads open SECONDS FILE         open and close one file, flat out
 *   workloads paced SECONDS FILE RATE   the same, RATE times a second
 *   workloads spawn SECONDS             fork, exec /bin/true, wait
 *   workloads connect SECONDS PORT      connect to a closed port of 127.0.0.1
 *
 * Prints the number of operations done and the seconds they took.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURST 0.0005 /* seconds: a shorter rest than this costs more than it gives */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void rest_until(double due)
{
	double rest = due - now();
	struct timespec t = {0, rest * 1e9};
	if (rest > BURST)
		nanosleep(&t, NULL);
}

static int open_once(const char *path)
{
	int fd = open(path, O_RDONLY);
	return fd < 0 ? -1 : close(fd);
}

static int spawn_once(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = {"true", NULL};
		execv("/bin/true", argv);
		_exit(127);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -1 : status;
}

static int connect_once(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return -1; /* somebody listens there: not the workload that was meant */
	return close(fd);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	int is_open = !strcmp(what, "open") && argc == 4;
	int is_paced = !strcmp(what, "paced") && argc == 5;
	int is_spawn = !strcmp(what, "spawn") && argc == 3;
	int is_connect = !strcmp(what, "connect") && argc == 4;
	double rate = is_paced ? atof(argv[4]) : 0, start, end;
	int port = is_connect ? atoi(argv[3]) : 0, failed;
	long done = 0;

	if (!(is_open || is_paced || is_spawn || is_connect)) {
		fprintf(stderr, "usage: workloads open|paced|spawn|connect SECONDS [FILE|PORT] [RATE]\n");
		return 2;
	}
	start = now();
	end = start + atof(argv[2]);
	do {
		if (is_paced)
			rest_until(start + done / rate);
		failed = is_spawn ? spawn_once() : is_connect ? connect_once(port) : open_once(argv[3]);
		if (failed) {
			perror(what);
			return 1;
		}
		done++;
	} while ((is_open && (done & 15)) || now() < end);
	printf("%ld %.6f\n", done, now() - start);
	return 0;
}
