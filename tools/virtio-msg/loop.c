// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the event loop, on epoll.
 *
 * Watches are called first, deferred work after them, so that everything that
 * one round of events asks for is done once. Work that is deferred while work
 * runs has to wait for the next round: nobody can keep the others out.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmsg.h"

#define VMSG_LOOP_EVENTS	64

struct vmsg_loop {
	int epoll_fd;
	bool stopped;
	int result;
	/* The events of this round; those of a watch that left become NULL. */
	struct epoll_event events[VMSG_LOOP_EVENTS];
	int num_events;
	struct vmsg_work *first;
	struct vmsg_work *last;
};

/**
 * vmsg_loop_new() - make an event loop
 *
 * Return: the loop, or NULL with errno set.
 */
struct vmsg_loop *vmsg_loop_new(void)
{
	struct vmsg_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

/**
 * vmsg_loop_free() - free an event loop
 * @loop: the loop, or NULL
 */
void vmsg_loop_free(struct vmsg_loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll_fd);
	free(loop);
}

static int vmsg_loop_ctl(struct vmsg_loop *loop, int op,
			 struct vmsg_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll_fd, op, watch->fd, &event))
		return -errno;
	return 0;
}

/**
 * vmsg_loop_watch() - look after a file descriptor
 * @loop: the loop
 * @watch: what to look after
 * @events: EPOLLIN, EPOLLOUT; EPOLLERR and EPOLLHUP always are
 *
 * Return: 0, or a negative errno value.
 */
int vmsg_loop_watch(struct vmsg_loop *loop, struct vmsg_watch *watch,
		    uint32_t events)
{
	return vmsg_loop_ctl(loop, EPOLL_CTL_ADD, watch, events);
}

/**
 * vmsg_loop_rewatch() - change the events of a watch
 * @loop: the loop
 * @watch: what is looked after
 * @events: EPOLLIN, EPOLLOUT, or 0
 *
 * Return: 0, or a negative errno value.
 */
int vmsg_loop_rewatch(struct vmsg_loop *loop, struct vmsg_watch *watch,
		      uint32_t events)
{
	return vmsg_loop_ctl(loop, EPOLL_CTL_MOD, watch, events);
}

/**
 * vmsg_loop_unwatch() - stop looking after a file descriptor
 * @loop: the loop
 * @watch: what is looked after; it is not called any more
 */
void vmsg_loop_unwatch(struct vmsg_loop *loop, struct vmsg_watch *watch)
{
	int i;

	vmsg_loop_ctl(loop, EPOLL_CTL_DEL, watch, 0);
	for (i = 0; i < loop->num_events; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	}
}

/**
 * vmsg_loop_defer() - have something done after the events of this round
 * @loop: the loop
 * @work: what to do; nothing happens if it waits already
 */
void vmsg_loop_defer(struct vmsg_loop *loop, struct vmsg_work *work)
{
	if (work->queued)
		return;
	work->queued = true;
	work->next = NULL;
	if (loop->last)
		loop->last->next = work;
	else
		loop->first = work;
	loop->last = work;
}

/**
 * vmsg_loop_cancel() - have something not done
 * @loop: the loop
 * @work: what was deferred, or not
 */
void vmsg_loop_cancel(struct vmsg_loop *loop, struct vmsg_work *work)
{
	struct vmsg_work **link, *prev = NULL;

	if (!work->queued)
		return;
	for (link = &loop->first; *link != work; link = &(*link)->next)
		prev = *link;
	*link = work->next;
	if (loop->last == work)
		loop->last = prev;
	work->queued = false;
}

static void vmsg_loop_work(struct vmsg_loop *loop)
{
	/* Everything up to here, and not what is added meanwhile. */
	struct vmsg_work mark = { 0 };
	struct vmsg_work *work;

	if (!loop->first)
		return;
	vmsg_loop_defer(loop, &mark);
	while ((work = loop->first) != &mark) {
		vmsg_loop_cancel(loop, work);
		work->fn(work->arg);
	}
	vmsg_loop_cancel(loop, &mark);
}

/**
 * vmsg_loop_once() - wait for events and handle them
 * @loop: the loop
 * @timeout_ms: how long to wait, -1 = for ever
 *
 * Return: how many events there were, or a negative errno value.
 */
int vmsg_loop_once(struct vmsg_loop *loop, int timeout_ms)
{
	struct vmsg_watch *watch;
	int i, num;

	num = epoll_wait(loop->epoll_fd, loop->events, VMSG_LOOP_EVENTS,
			 loop->first ? 0 : timeout_ms);
	if (num < 0)
		return errno == EINTR ? 0 : -errno;
	loop->num_events = num;
	for (i = 0; i < num; i++) {
		watch = loop->events[i].data.ptr;
		if (watch)
			watch->fn(watch->arg, loop->events[i].events);
	}
	loop->num_events = 0;
	vmsg_loop_work(loop);
	return num;
}

/**
 * vmsg_loop_run() - handle events until vmsg_loop_stop()
 * @loop: the loop
 *
 * Return: what vmsg_loop_stop() was given, or a negative errno value.
 */
int vmsg_loop_run(struct vmsg_loop *loop)
{
	int ret;

	loop->stopped = false;
	while (!loop->stopped) {
		ret = vmsg_loop_once(loop, -1);
		if (ret < 0)
			return ret;
	}
	return loop->result;
}

/**
 * vmsg_loop_stop() - let vmsg_loop_run() return after this round
 * @loop: the loop
 * @result: what it is to return
 */
void vmsg_loop_stop(struct vmsg_loop *loop, int result)
{
	loop->stopped = true;
	loop->result = result;
}
