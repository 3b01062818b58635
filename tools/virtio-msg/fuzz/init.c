// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: what a target does beside fuzzing, and it does so only with
 * one of these as its first word:
 *
 *	--seeds DIR	write the inputs that it starts from, one file each
 *	--pack DIR	print all files of DIR as text, a line of hex digits each
 *	--unpack DIR	the way back, from standard input; # begins a comment
 *
 * Text is what git, patches and people can handle.
 */
#include <dirent.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX	1048576u

static uint8_t input[INPUT_MAX];

static void save(const char *dir, unsigned int n, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%05u", dir, n);
	file = fopen(path, "wb");
	if (!file || fwrite(input, 1, size, file) != size || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void seeds(const char *dir)
{
	unsigned int n;
	size_t size;

	for (n = 0; (size = fuzz_seed(n, input, FUZZ_SEED_MAX)); n++)
		save(dir, n, size);
}

static void pack(const char *dir)
{
	struct dirent **names;
	int num = scandir(dir, &names, NULL, alphasort);
	char path[4096];
	size_t size, j;
	FILE *file;
	int i;

	for (i = 0; i < num; i++) {
		if (names[i]->d_name[0] == '.') {
			free(names[i]);
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		file = fopen(path, "rb");
		if (!file) {
			perror(path);
			exit(1);
		}
		size = fread(input, 1, sizeof(input), file);
		fclose(file);
		for (j = 0; j < size; j++)
			printf("%02x", input[j]);
		putchar('\n');
		free(names[i]);
	}
	free(names);
}

static void unpack(const char *dir)
{
	unsigned int n = 0, byte;
	char *line = NULL, *at;
	size_t room = 0, size;

	while (getline(&line, &room, stdin) > 0) {
		if (*line == '#')
			continue;
		size = 0;
		for (at = line; size < INPUT_MAX &&
		     sscanf(at, "%2x", &byte) == 1; at += 2)
			input[size++] = byte;
		save(dir, n++, size);
	}
	free(line);
}

int fuzz_init(int *argc, char ***argv)
{
	const char *what = *argc == 3 ? (*argv)[1] : "";
	const char *dir = (*argv)[*argc - 1];

	if (!strcmp(what, "--seeds"))
		seeds(dir);
	else if (!strcmp(what, "--pack"))
		pack(dir);
	else if (!strcmp(what, "--unpack"))
		unpack(dir);
	else
		return 0;
	exit(0);
}
