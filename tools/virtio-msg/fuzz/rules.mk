# SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
#
# Fuzz targets, part of ../Makefile: `make fuzz [COVERAGE=1]`.
#
# All is compiled once more for libFuzzer, with clang, into its own folder, and
# again for figures of coverage, without what a sanitizer adds.

FUZZ_CC	?= clang
fuzz	:= $(out)/fuzz$(if $(COVERAGE),-coverage)
FUZZFLAGS := -O1 -g -fno-omit-frame-pointer $(if $(COVERAGE),\
	-fprofile-instr-generate -fcoverage-mapping,\
	-fsanitize=address,undefined -fno-sanitize-recover=all)

fuzz-y	:= fuzz_amp fuzz_device fuzz_opts fuzz_wire
# In a library, so that each target gets what it needs: fuzz_amp has the source
# of the link in it, and fuzz_opts that of the control lines.
fuzz-lib := $(lib-y) deny frames harness link opts peer

vpath %.c $(src)/fuzz

$(fuzz)/%.o: %.c $(src)/Makefile $(src)/fuzz/rules.mk | $(headers)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(VMSG_CPPFLAGS) -I$(out)/include -I$(src)/tests \
		-I$(src)/fuzz $(VMSG_CFLAGS) $(FUZZFLAGS) \
		-fsanitize=fuzzer-no-link -c -o $@ $<

$(fuzz)/lib.a: $(fuzz-lib:%=$(fuzz)/%.o)
	rm -f $@
	$(AR) rcs $@ $^

$(fuzz-y:%=$(fuzz)/%): $(fuzz)/%: $(fuzz)/%.o $(fuzz)/init.o $(fuzz)/lib.a
	$(FUZZ_CC) $(FUZZFLAGS) -fsanitize=fuzzer $(FUZZ_LDFLAGS) -o $@ \
		$(filter %.o,$^) $(fuzz)/lib.a $(LDLIBS)

$(fuzz)/fuzz_amp $(fuzz)/fuzz_device: $(fuzz)/mutate.o
$(fuzz)/fuzz_device $(fuzz)/fuzz_opts: FUZZ_LDFLAGS := \
	-Wl,--wrap=open,--wrap=open64,--wrap=socket

fuzz: $(fuzz-y:%=$(fuzz)/%)

.PHONY: fuzz
-include $(wildcard $(fuzz)/*.d)
