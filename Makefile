# Builds, tests and installs twilio-sms. `make help` lists the targets.

CC        ?= cc
PREFIX    ?= /usr/local
DESTDIR   ?=
BUILD     ?= build
LUA54     ?= lua5.4
LUAJIT    ?= luajit
V_ABI     := 0
VERSION   := $(shell sed -n 's/^.define TSMS_VERSION "\(.*\)"/\1/p' csrc/twilio_sms.h)

WARN      := -Wall -Wextra -Wconversion -Wshadow
WERROR    ?= -Werror
OPT       ?= -O2 -g
HARDEN    ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_   := -std=c11 $(WARN) $(WERROR) $(OPT) $(HARDEN) -fPIC -fvisibility=hidden -MMD -MP -Icsrc \
             $(EXTRA_CFLAGS)
LDFLAGS_  := -Wl,-z,relro,-z,now $(EXTRA_LDFLAGS)

pkg        = $(shell pkg-config $(1) 2>/dev/null)
CORE_CF   := $(call pkg,--cflags libcurl libcjson)
CORE_LIBS := $(call pkg,--libs libcurl libcjson) -lm
SRV_CF    := $(call pkg,--cflags libevent libevent_openssl openssl)
SRV_LIBS  := $(call pkg,--libs libevent libevent_openssl openssl)
LUA54_CF  := $(call pkg,--cflags lua5.4)
JIT_CF    := $(call pkg,--cflags luajit)

SRV_SRC   := csrc/drive/server.c csrc/drive/server_tls.c
CORE_SRC  := $(filter-out $(SRV_SRC),$(wildcard $(addsuffix /*.c,$(addprefix csrc/,base config wire \
             policy call drive))))
BIND_SRV  := csrc/bind/lua_server.c
BIND_SRC  := $(filter-out $(BIND_SRV),$(wildcard csrc/bind/*.c))
LUA_SRC   := $(wildcard lua/*/*.lua lua/*/*/*.lua)

OBJ       := $(BUILD)/obj
core_o    := $(CORE_SRC:csrc/%.c=$(OBJ)/%.o)
srv_o     := $(SRV_SRC:csrc/%.c=$(OBJ)/%.o)
bind54_o  := $(BIND_SRC:csrc/bind/%.c=$(OBJ)/lua5.4/%.o)
bindjit_o := $(BIND_SRC:csrc/bind/%.c=$(OBJ)/luajit/%.o)

TESTS     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))

.PHONY: all lib
all: lib

lib: $(BUILD)/libtwilio_sms.a

$(BUILD)/libtwilio_sms.a: $(core_o)
	@rm -f $@
	ar rcs $@ $^

$(OBJ)/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) $(CORE_CF) $(SRV_CF) -c $< -o $@

$(BUILD)/tests/%: tests/%.c $(BUILD)/libtwilio_sms.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_) -Wno-unused-parameter -Itests $< -o $@ $(BUILD)/libtwilio_sms.a $(LDFLAGS_) -lcmocka $(CORE_LIBS)

.PHONY: test-c
test-c: $(TESTS)
	@for t in $(TESTS); do $$t || exit 1; done

-include $(shell find $(OBJ) $(BUILD)/tests -name '*.d' 2>/dev/null)
