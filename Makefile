# Builds, tests and installs twilio-sms. `make help` lists the targets.

SHELL     := /bin/bash
CC        ?= cc
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
DESTDIR   ?=
BUILD     ?= build
VERSION   := $(shell sed -n 's/^.define TSMS_VERSION "\(.*\)"/\1/p' csrc/twilio_sms.h)
ABI       := 0

OPT       ?= -O2 -g
WARN      := -Wall -Wextra -Wconversion -Wshadow
WERROR    ?=
HARDEN    ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_   := -std=c11 $(WARN) $(WERROR) $(OPT) $(HARDEN) -fPIC -fvisibility=hidden -MMD -MP -Icsrc \
             $(EXTRA_CFLAGS)
LDFLAGS_  := -Wl,-z,relro,-z,now $(EXTRA_LDFLAGS)
# libcurl keeps our allocator for as long as it lives, and a Lua state that closes would unload it.
SHARED    := -shared -Wl,-z,nodelete
# The modules use their own copy of the core, not that of a program which links another version; so do the
# optional libraries, which show no names but theirs.
MODULE    := $(SHARED) -Wl,--exclude-libs,ALL

# Short lines unless V=1.
Q         := $(if $(V),,@)

pkg        = $(shell pkg-config $(1) 2>/dev/null)
CF        := $(call pkg,--cflags libcurl libcjson libevent libevent_openssl openssl sqlite3)
CORE_LIBS := $(call pkg,--libs libcurl libcjson libcrypto) -lpthread -lm
SRV_LIBS  := $(call pkg,--libs libevent libevent_openssl openssl)
STO_LIBS  := $(call pkg,--libs sqlite3)

# The two Lua worlds that modules are built for, by the names that pkg-config has for them.
LUAS      := lua5.4 luajit
LUA_CF_lua5.4 = $(call pkg,--cflags lua5.4)
LUA_CF_luajit = $(call pkg,--cflags luajit)
# A third one is the Lua that luarocks builds for: what is built with other headers lies elsewhere.
ROCK      := $(if $(LUA_INCDIR),rock$(subst /,-,$(LUA_INCDIR)))
LUA_CF_$(ROCK) = -I$(LUA_INCDIR)

OBJ       := $(BUILD)/obj
SRV_SRC   := $(wildcard csrc/drive/server*.c)
STO_SRC   := $(wildcard csrc/drive/store*.c)
CORE_SRC  := $(filter-out $(SRV_SRC) $(STO_SRC),$(wildcard csrc/base/*.c csrc/config/*.c csrc/wire/*.c \
             csrc/policy/*.c csrc/call/*.c csrc/drive/*.c))
BIND_SRV  := $(wildcard csrc/bind/lua_server*.c)
BIND_STO  := $(wildcard csrc/bind/lua_store*.c)
BIND_SRC  := $(filter-out $(BIND_SRV) $(BIND_STO),$(wildcard csrc/bind/*.c))
LUA_SRC   := $(wildcard lua/twilio_sms/*.lua lua/twilio_sms/*/*.lua lua/twilio_sms/*/*/*.lua \
             lua/resty/*.lua lua/resty/twilio_sms/*.lua lua/resty/twilio_sms/*/*.lua)

core_o    := $(CORE_SRC:csrc/%.c=$(OBJ)/%.o)
srv_o     := $(SRV_SRC:csrc/%.c=$(OBJ)/%.o)
sto_o     := $(STO_SRC:csrc/%.c=$(OBJ)/%.o)

LIB_A     := $(BUILD)/libtwilio_sms.a
LIB_SO    := $(BUILD)/libtwilio_sms.so.$(ABI)
SRV_A     := $(BUILD)/libtwilio_sms_server.a
SRV_SO    := $(BUILD)/libtwilio_sms_server.so.$(ABI)
STO_A     := $(BUILD)/libtwilio_sms_store.a
STO_SO    := $(BUILD)/libtwilio_sms_store.so.$(ABI)
PCS       := $(addprefix $(BUILD)/,twilio_sms.pc twilio_sms_server.pc twilio_sms_store.pc)
MODULES   := $(foreach l,$(LUAS),$(BUILD)/$(l)/twilio_sms/core.so $(BUILD)/$(l)/twilio_sms/server.so \
             $(BUILD)/$(l)/twilio_sms/store.so \
             $(BUILD)/libtwilio_sms_$(l).a $(LUA_SRC:lua/%=$(BUILD)/$(l)/%))
EXAMPLES  := $(BUILD)/examples/send $(BUILD)/examples/receive $(BUILD)/examples/host
COMMAND   := $(BUILD)/bin/twilio-sms
# What goes with the command: its manual page and what completes it in bash.
COMMAND_DOCS := $(BUILD)/share/man/man1/twilio-sms.1 $(BUILD)/share/bash-completion/completions/twilio-sms

.PHONY: all
all: $(LIB_A) $(LIB_SO) $(SRV_A) $(SRV_SO) $(STO_A) $(STO_SO) $(PCS) $(MODULES) $(EXAMPLES) $(COMMAND) $(COMMAND_DOCS) ## build everything

# ---- Libraries ----------------------------------------------------------------------------------

$(OBJ)/%.o: csrc/%.c
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(CF) -c $< -o $@

$(LIB_A): $(core_o)
	@rm -f $@ && ar rcs $@ $^

$(LIB_SO): $(core_o)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(SHARED) -Wl,-soname,$(@F) $(LDFLAGS_) $^ -o $@ $(CORE_LIBS)
	@ln -sf $(@F) $(BUILD)/libtwilio_sms.so

$(SRV_A): $(srv_o)
	@rm -f $@ && ar rcs $@ $^

$(SRV_SO): $(srv_o) $(LIB_A)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(MODULE) -Wl,-soname,$(@F) $(LDFLAGS_) $^ -o $@ $(SRV_LIBS) $(CORE_LIBS)
	@ln -sf $(@F) $(BUILD)/libtwilio_sms_server.so

$(STO_A): $(sto_o)
	@rm -f $@ && ar rcs $@ $^

$(STO_SO): $(sto_o) $(LIB_A)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(MODULE) -Wl,-soname,$(@F) $(LDFLAGS_) $^ -o $@ $(STO_LIBS) $(CORE_LIBS)
	@ln -sf $(@F) $(BUILD)/libtwilio_sms_store.so

# One file for pkg-config: name, description, the other lines. Written each time, because PREFIX may be
# another one in "make install". The libraries below ours are named, not required: libcurl's own list for
# static programs has libraries which no package of Debian's brings along with libcurl4-openssl-dev.
define pc_rule
.PHONY: $(BUILD)/$(1).pc
$(BUILD)/$(1).pc:
	@mkdir -p $$(@D)
	@printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR:$(PREFIX)/%=$$$${prefix}/%)' 'includedir=$$$${prefix}/include' '' \
	  'Name: $(1)' 'Description: $(2)' 'Version: $(VERSION)' 'Libs: -L$$$${libdir} -l$(1)' \
	  'Cflags: -I$$$${includedir}' $(3) > $$@
endef
$(eval $(call pc_rule,twilio_sms,Sends and reads SMS and MMS through Twilio,\
  'Libs.private: $(CORE_LIBS)'))
$(eval $(call pc_rule,twilio_sms_server,The embedded HTTPS server of twilio_sms,\
  'Requires: twilio_sms' 'Libs.private: $(SRV_LIBS)'))
$(eval $(call pc_rule,twilio_sms_store,The SQLite store of twilio_sms,\
  'Requires: twilio_sms' 'Libs.private: $(STO_LIBS)'))

# ---- Lua modules --------------------------------------------------------------------------------

# All modules written in Lua as one C file, for programs that carry them in their binary.
$(BUILD)/gen/preload.c: csrc/bind/preload.lua $(LUA_SRC)
	@mkdir -p $(@D)
	$(Q)lua5.4 csrc/bind/preload.lua $(filter-out lua/resty/%,$(LUA_SRC)) > $@

define lua_rules
$(OBJ)/$(1)/%.o: csrc/bind/%.c
	@mkdir -p $$(@D)
	@printf '  %-4s %s\n' CC $$@
	$$(Q)$$(CC) $$(CFLAGS_) $$(CF) $$(LUA_CF_$(1)) -c $$< -o $$@

$(OBJ)/$(1)/preload.o: $(BUILD)/gen/preload.c
	@mkdir -p $$(@D)
	@printf '  %-4s %s\n' CC $$@
	$$(Q)$$(CC) $$(CFLAGS_) $$(CF) $$(LUA_CF_$(1)) -c $$< -o $$@

$(BUILD)/$(1)/twilio_sms/core.so: $(BIND_SRC:csrc/bind/%.c=$(OBJ)/$(1)/%.o) $(LIB_A)
	@mkdir -p $$(@D)
	@printf '  %-4s %s\n' CC $$@
	$$(Q)$$(CC) $$(MODULE) $$(LDFLAGS_) $$^ -o $$@ $$(CORE_LIBS)

$(BUILD)/$(1)/twilio_sms/server.so: $(BIND_SRV:csrc/bind/%.c=$(OBJ)/$(1)/%.o) \
    $(OBJ)/$(1)/lua_error.o $(SRV_A) $(LIB_A)
	@mkdir -p $$(@D)
	@printf '  %-4s %s\n' CC $$@
	$$(Q)$$(CC) $$(MODULE) $$(LDFLAGS_) $$^ -o $$@ $$(SRV_LIBS) $$(CORE_LIBS)

$(BUILD)/$(1)/twilio_sms/store.so: $(BIND_STO:csrc/bind/%.c=$(OBJ)/$(1)/%.o) \
    $(OBJ)/$(1)/lua_error.o $(OBJ)/$(1)/lua_json.o $(STO_A) $(LIB_A)
	@mkdir -p $$(@D)
	@printf '  %-4s %s\n' CC $$@
	$$(Q)$$(CC) $$(MODULE) $$(LDFLAGS_) $$^ -o $$@ $$(STO_LIBS) $$(CORE_LIBS)

$(BUILD)/libtwilio_sms_$(1).a: $(BIND_SRC:csrc/bind/%.c=$(OBJ)/$(1)/%.o) $(OBJ)/$(1)/preload.o $(core_o)
	@rm -f $$@ && ar rcs $$@ $$^

$(BUILD)/$(1)/%.lua: lua/%.lua
	@mkdir -p $$(@D) && cp $$< $$@
endef
$(foreach l,$(LUAS) $(ROCK),$(eval $(call lua_rules,$(l))))

$(COMMAND): lua/twilio_sms/cli/twilio-sms
	@install -D -m 755 $< $@

$(BUILD)/share/man/man1/twilio-sms.1: ASKED := man
$(BUILD)/share/bash-completion/completions/twilio-sms: ASKED := completion bash
$(COMMAND_DOCS): $(COMMAND) $(filter $(BUILD)/lua5.4/%,$(MODULES))
	@mkdir -p $(@D)
	@$(COMMAND) $(ASKED) > $@.part && mv $@.part $@

# ---- Examples -----------------------------------------------------------------------------------

$(BUILD)/examples/send: examples/send.c $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $< -o $@ $(LIB_A) $(LDFLAGS_) $(CORE_LIBS)

$(BUILD)/examples/receive: examples/receive.c $(SRV_A) $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $< -o $@ $(SRV_A) $(LIB_A) $(LDFLAGS_) $(SRV_LIBS) $(CORE_LIBS)

$(BUILD)/examples/host: examples/host.c $(BUILD)/libtwilio_sms_lua5.4.a
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(call pkg,--cflags lua5.4) $< -o $@ $(BUILD)/libtwilio_sms_lua5.4.a $(LDFLAGS_) \
	  $(call pkg,--libs lua5.4) $(CORE_LIBS)

# ---- Tests --------------------------------------------------------------------------------------

TEST_SRC  := $(wildcard tests/test_*.c)
TESTS     := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
INTEG_LIB := $(filter-out $(wildcard tests/integration/test_*.c),$(wildcard tests/integration/*.c))
INTEG     := $(patsubst tests/integration/%.c,$(BUILD)/tests/integration/%,$(wildcard tests/integration/test_*.c))
FUZZERS   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

$(BUILD)/tests/%: tests/%.c $(SRV_A) $(STO_A) $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(CF) -Itests $< -o $@ $(SRV_A) $(STO_A) $(LIB_A) $(LDFLAGS_) -lcmocka $(SRV_LIBS) \
	  $(STO_LIBS) $(CORE_LIBS)

$(BUILD)/tests/integration/%: tests/integration/%.c $(INTEG_LIB) $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(CF) -Itests $< $(INTEG_LIB) -o $@ $(LIB_A) $(LDFLAGS_) -lcmocka $(SRV_LIBS) \
	  $(CORE_LIBS) -lnghttp2

# nginx itself has no sanitizers: such builds give it the modules of the plain one.
NGINX_BUILD ?= $(BUILD)
$(BUILD)/tests/integration/test_fault_matrix_nginx: | $(NGINX_BUILD)/luajit/twilio_sms/core.so \
    $(LUA_SRC:lua/%=$(NGINX_BUILD)/luajit/%)

$(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/standalone.c $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(CF) $< tests/fuzz/standalone.c -o $@ $(LIB_A) $(LDFLAGS_) $(CORE_LIBS)

$(BUILD)/tests/docs_configuration: tests/docs_configuration.c $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(CF) $< -o $@ $(LIB_A) $(LDFLAGS_) $(CORE_LIBS)

.PHONY: build-tests
build-tests: all $(TESTS) $(INTEG) $(FUZZERS) $(BUILD)/tests/docs_configuration

.PHONY: test
test: ## install what is missing, build, and run every test
	@tests/deps.sh test
	@$(MAKE) --no-print-directory build-tests
	@tests/run.sh $(BUILD) c corpus integration limits otlp lua crash peers examples

.PHONY: test-c test-lua test-integration
test-c: all $(TESTS) ## the unit tests in C only
	@tests/run.sh $(BUILD) c
test-lua: all ## the Lua specs only, on both Luas
	@tests/run.sh $(BUILD) lua
test-integration: all $(INTEG) ## the tests against real servers only
	@tests/run.sh $(BUILD) integration limits

.PHONY: conformance simulate
conformance: all ## unmodified Twilio SDKs and this client against the simulator, field by field
	@tests/deps.sh test
	@tests/conformance/run.sh $(BUILD)
SEEDS ?= 200
SIMULATE_ARGS = $(if $(SEED),SEED=$(SEED),SEEDS=$(SEEDS)) $(foreach v,FIRST WITHOUT CLIENTS MESSAGES LAG_MS LOG UNTIL,\
                $(if $($(v)),$(v)=$($(v))))
simulate: all ## SEEDS (200) virtual hours of chance and faults; all properties checked after every event
	@eval "$$($(MAKE) --no-print-directory -s env)" && luajit tests/simulate.lua $(SIMULATE_ARGS)

.PHONY: packages
packages: all ## install from each kind of package, also on a clean Debian, and send from there (needs root)
	@tests/deps.sh packages
	@tests/packages/run.sh $(abspath $(BUILD))

.PHONY: canary
canary: all $(BUILD)/canary/memory_search $(BUILD)/canary/memory ## search all that is left behind for planted secrets
	@tests/deps.sh check
	@tests/canary/run.sh $(BUILD)
$(BUILD)/canary/%: tests/canary/%.c $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $< -o $@ $(LIB_A) $(LDFLAGS_) $(CORE_LIBS)

COUNT ?= 10000000
.PHONY: labels
labels: $(BUILD)/tests/integration/test_hostile_labels ## COUNT hostile sends and webhooks: memory, series and sums of the metrics
	@HOSTILE_COUNT=$(COUNT) $<

.PHONY: mutants
mutants: all ## the simulation must notice when the product is broken on purpose
	@eval "$$($(MAKE) --no-print-directory -s env)" && luajit tests/mutants/run.lua $(BUILD)

# Suites with a build of their own.
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
.PHONY: sanitize tsan valgrind gc torture coverage fuzz
sanitize: all ## unit and integration tests under ASan and UBSan
	@TWILIO_SMS_BUILD=$(abspath $(BUILD)) $(MAKE) --no-print-directory BUILD=$(BUILD)/asan NGINX_BUILD=$(BUILD) \
	  OPT='-O1 -g' HARDEN= EXTRA_CFLAGS='$(ASAN)' EXTRA_LDFLAGS='$(ASAN)' sanitize-run
.PHONY: sanitize-run tsan-run coverage-run coverage-report torture-run
sanitize-run: $(TESTS) $(INTEG) $(FUZZERS)
	@tests/run.sh $(BUILD) c corpus integration
tsan: ## the tests that use threads under ThreadSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan OPT='-O1 -g' HARDEN= \
	  EXTRA_CFLAGS=-fsanitize=thread EXTRA_LDFLAGS=-fsanitize=thread tsan-run
tsan-run: $(filter %_threads %_processes,$(TESTS))
	@for t in $^; do $$t || exit 1; done
valgrind: all $(TESTS) ## the unit tests under valgrind
	@VALGRIND=1 tests/run.sh $(BUILD) c
gc: all ## the Lua specs with the collector always on
	@GC_STRESS=1 tests/run.sh $(BUILD) lua
torture: ## every allocation of the unit scenarios fails once
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan OPT='-O1 -g' HARDEN= EXTRA_CFLAGS='$(ASAN)' \
	  EXTRA_LDFLAGS='$(ASAN)' torture-run
torture-run: $(BUILD)/tests/torture
	$(BUILD)/tests/torture
coverage: ## line coverage of csrc and of the Lua modules
	@tests/deps.sh check
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/cov OPT='-O0 -g' HARDEN= EXTRA_CFLAGS='--coverage -fprofile-update=atomic' \
	  EXTRA_LDFLAGS=--coverage coverage-run
coverage-run:
	@find $(BUILD) -name '*.gcda' -delete 2>/dev/null; true
	@$(MAKE) --no-print-directory build-tests $(BUILD)/tests/torture
	@rm -rf $(BUILD)/lua_coverage && mkdir -p $(BUILD)/lua_coverage
	@$(foreach l,$(LUAS),$(CC) -std=c11 $(WARN) -O2 -fPIC -shared $(LUA_CF_$(l)) tests/line_hook.c \
	  -o $(BUILD)/$(l)/line_hook.so &&) true
	@status=0; LUA_COVERAGE=$(abspath $(BUILD))/lua_coverage LUA_INIT_5_4='pcall(require, "line_hook")' \
	  tests/run.sh $(BUILD) c corpus integration lua || status=$$?; $(BUILD)/tests/torture > /dev/null || status=$$?; \
	  $(MAKE) --no-print-directory coverage-report && exit $$status
coverage-report:
	@status=0; lua5.4 tests/coverage.lua $(BUILD)/lua_coverage $(BUILD) 92 || status=$$?; \
	  gcovr --root . --filter 'csrc/' --exclude-directories '.*obj/luajit' --sort-percentage --print-summary \
	  --fail-under-line 93 $(BUILD) || status=$$?; exit $$status
FUZZ_SECONDS ?= 20
fuzz: ## run each fuzz target for FUZZ_SECONDS (20) with clang's libFuzzer
	@tests/deps.sh check
	@tests/run.sh $(BUILD) fuzz $(FUZZ_SECONDS)

.PHONY: check
check: ## format, warnings of two compilers, layers, lint, documentation, symbols
	@tests/deps.sh check
	@$(MAKE) --no-print-directory all $(BUILD)/tests/docs_configuration
	@tests/check.sh $(BUILD)

.PHONY: bench
bench: ## compare with a bare libcurl loop and a bare HMAC
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory all $(addprefix $(BUILD)/bench/,bare_multi c_api bare_sign sign_bench webhook_load)
	@lua5.4 tests/bench/run.lua $(BUILD)

$(BUILD)/bench/%: tests/bench/%.c $(LIB_A)
	@mkdir -p $(@D)
	@printf '  %-4s %s\n' CC $@
	$(Q)$(CC) $(CFLAGS_) $(CF) $< -o $@ $(LIB_A) $(LDFLAGS_) $(CORE_LIBS)

.PHONY: bench-openresty
bench-openresty: ## sends, webhooks and limits in the workers of an nginx
	@tests/deps.sh bench
	@$(MAKE) --no-print-directory all $(addprefix $(BUILD)/bench/,http_load webhook_load c_api)
	@lua5.4 tests/bench/openresty.lua $(abspath $(BUILD))

.PHONY: bench-day
bench-day: all ## a virtual day of 8.64 million messages: time and memory
	@eval "$$($(MAKE) --no-print-directory -s env)" && luajit tests/bench/world_day.lua $(if $(HOURS),--hours $(HOURS))

.PHONY: demo
demo: deps ## send messages to a local simulator over real TLS
	@echo "Building..."
	@$(MAKE) --no-print-directory -s all
	@eval "$$($(MAKE) --no-print-directory -s env)" && no_proxy=localhost exec lua5.4 examples/demo.lua

# ---- Installing ---------------------------------------------------------------------------------

.PHONY: deps
deps: ## install the packages that building and the demo need and that are missing
	@tests/deps.sh build

.PHONY: env
env: ## print the exports under which lua5.4 and luajit find the built tree
	@echo 'export TWILIO_SMS_BUILD="$(abspath $(BUILD))"'
	@echo 'export LUA_PATH_5_4="$(abspath $(BUILD))/lua5.4/?.lua;$(abspath $(BUILD))/lua5.4/?/init.lua;;"'
	@echo 'export LUA_CPATH_5_4="$(abspath $(BUILD))/lua5.4/?.so;;"'
	@echo 'export LUA_PATH="$(abspath $(BUILD))/luajit/?.lua;$(abspath $(BUILD))/luajit/?/init.lua;;"'
	@echo 'export LUA_CPATH="$(abspath $(BUILD))/luajit/?.so;;"'
	@echo 'export PATH="$(abspath $(BUILD))/bin:$$PATH"'

LUA_DIR_lua5.4 := 5.4
LUA_DIR_luajit := 5.1
.PHONY: install
install: all ## install under DESTDIR and PREFIX; libraries in LIBDIR (PREFIX/lib)
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 csrc/twilio_sms.h csrc/twilio_sms_lua.h csrc/twilio_sms_server.h csrc/twilio_sms_store.h \
	  csrc/twilio_sms_testing.h $(DESTDIR)$(PREFIX)/include
	install -D -m 755 $(COMMAND) $(DESTDIR)$(PREFIX)/bin/twilio-sms
	$(foreach f,$(COMMAND_DOCS),install -D -m 644 $(f) $(DESTDIR)$(PREFIX)/$(f:$(BUILD)/%=%) &&) true
	install -m 644 $(LIB_A) $(SRV_A) $(STO_A) $(BUILD)/libtwilio_sms_lua5.4.a $(BUILD)/libtwilio_sms_luajit.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(LIB_SO) $(SRV_SO) $(STO_SO) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(LIB_SO)) $(DESTDIR)$(LIBDIR)/libtwilio_sms.so
	ln -sf $(notdir $(SRV_SO)) $(DESTDIR)$(LIBDIR)/libtwilio_sms_server.so
	ln -sf $(notdir $(STO_SO)) $(DESTDIR)$(LIBDIR)/libtwilio_sms_store.so
	install -m 644 $(PCS) $(DESTDIR)$(LIBDIR)/pkgconfig
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi
	$(Q)$(foreach l,$(LUAS),$(foreach f,$(LUA_SRC),install -D -m 644 $(f) \
	  $(DESTDIR)$(PREFIX)/share/lua/$(LUA_DIR_$(l))/$(f:lua/%=%) && )true &&) true
	$(Q)$(foreach l,$(LUAS),for m in core server store; do install -D -m 755 $(BUILD)/$(l)/twilio_sms/$$m.so \
	  $(DESTDIR)$(LIBDIR)/lua/$(LUA_DIR_$(l))/twilio_sms/$$m.so || exit 1; done &&) true

# What luarocks calls: it names the headers of its Lua, and where the files go.
.PHONY: rock install-rock
rock:
	@[ -n "$(ROCK)" ] || { echo "LUA_INCDIR must say where the headers of Lua are"; exit 1; }
	@pkg-config --exists --print-errors libcurl libcjson libevent libevent_openssl openssl sqlite3
	@$(MAKE) -s --no-print-directory -j$$(nproc) $(foreach m,core server store,$(BUILD)/$(ROCK)/twilio_sms/$(m).so)
install-rock: rock
	$(Q)$(foreach f,$(LUA_SRC),install -D -m 644 $(f) $(ROCK_LUADIR)/$(f:lua/%=%) &&) true
	install -d $(ROCK_LIBDIR)/twilio_sms $(ROCK_BINDIR)
	install -m 755 $(BUILD)/$(ROCK)/twilio_sms/*.so $(ROCK_LIBDIR)/twilio_sms
	install -m 755 lua/twilio_sms/cli/twilio-sms $(ROCK_BINDIR)

# Built in a copy, because debhelper wants its folder at the top. What was given to this make is not for that.
DEB       := $(BUILD)/deb
.PHONY: deb
deb: ## build Debian packages, into build/deb
	@tests/deps.sh deb
	@rm -rf $(DEB) && mkdir -p $(DEB)/source
	@cp -a csrc lua examples docs Makefile README.md CHANGELOG.md LICENSE $(DEB)/source
	@cp -a rockspec/debian $(DEB)/source/debian
	@cd $(DEB)/source && unset MAKEFLAGS MFLAGS MAKELEVEL BUILD CC WERROR && \
	  DEB_BUILD_OPTIONS="noautodbgsym parallel=$$(nproc) $$DEB_BUILD_OPTIONS" dpkg-buildpackage -b -us -uc > ../build.log 2>&1 \
	  || { tail -n 30 ../build.log; exit 1; }
	@rm -rf $(DEB)/source
	@ls $(DEB)/*.deb

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | sort | expand -t 20

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
