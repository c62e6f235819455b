/* A PKCS#11 module in front of SoftHSM that takes the token away: while the file named by PURR_TEST_TOKEN_AWAY exists,
 * calls fail with the CK_RV that the file holds, in decimal. Once the file is gone, all sessions of the token are closed,
 * as they are when a token is plugged in again; with that the login is gone, and private keys are invisible. A second number
 * in the file is that of a function: calls fail on with the CK_RV until it is called, as a connection's do that nobody opens
 * again.
 * Function numbers: PKCS #11 v2.40, CK_FUNCTION_LIST. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long rv_t;
typedef rv_t (*fn)(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long);
struct list { unsigned char major, minor; fn f[68]; };

enum { INITIALIZE = 0, GET_TOKEN_INFO = 6, OPEN = 12, CLOSE_ALL = 14, LOGIN = 18, FIND_INIT = 26, FIND = 27, SIGN_INIT = 42, SIGN = 43 };

static struct list *real, fake;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int was_away, until = -1;
static rv_t last;
static unsigned long slots[8];
static int slot_count;

static rv_t away(int number) {
  unsigned long rv = 0;
  int repairs = -1;
  const char *path = getenv("PURR_TEST_TOKEN_AWAY");
  FILE *file = path ? fopen(path, "r") : NULL;
  pthread_mutex_lock(&lock);
  if (file) {
    if (fscanf(file, "%lu %d", &rv, &repairs) < 1) rv = 0;
    fclose(file);
    was_away = 1;
    last = rv;
    until = repairs;
  } else if (was_away) {
    was_away = 0;
    for (int i = 0; i < slot_count; i++) real->f[CLOSE_ALL](slots[i], 0, 0, 0, 0);
  }
  if (!file && until == number) until = -1;
  /* On the way to the function that repairs it only a signature fails. */
  if (!file && until >= 0 && (until == INITIALIZE || number == FIND_INIT || number == SIGN_INIT || number == SIGN)) rv = last;
  pthread_mutex_unlock(&lock);
  return rv;
}

#define FORWARD(name, number)                                                                               \
  static rv_t name(unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e) {   \
    rv_t rv = away(number);                                                                                  \
    return rv ? rv : real->f[number](a, b, c, d, e);                                                         \
  }
FORWARD(get_token_info, GET_TOKEN_INFO)
FORWARD(login, LOGIN)
FORWARD(find_init, FIND_INIT)
FORWARD(find, FIND)
FORWARD(sign_init, SIGN_INIT)
FORWARD(sign, SIGN)

static rv_t initialize(unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e) {
  pthread_mutex_lock(&lock);
  if (until == INITIALIZE && !was_away) until = -1;
  pthread_mutex_unlock(&lock);
  return real->f[INITIALIZE](a, b, c, d, e);
}

static rv_t open_session(unsigned long slot, unsigned long b, unsigned long c, unsigned long d, unsigned long e) {
  rv_t rv = away(OPEN);
  if (rv) return rv;
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < slot_count && slots[i] != slot) i++;
  if (i == slot_count && slot_count < 8) slots[slot_count++] = slot;
  pthread_mutex_unlock(&lock);
  return real->f[OPEN](slot, b, c, d, e);
}

rv_t C_GetFunctionList(struct list **out) {
  if (!real) {
    void *module = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    rv_t (*get)(struct list **) = module ? (rv_t (*)(struct list **))dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&real)) return 5; /* CKR_GENERAL_ERROR */
    fake = *real;
    fake.f[INITIALIZE] = initialize;
    fake.f[GET_TOKEN_INFO] = get_token_info;
    fake.f[OPEN] = open_session;
    fake.f[LOGIN] = login;
    fake.f[FIND_INIT] = find_init;
    fake.f[FIND] = find;
    fake.f[SIGN_INIT] = sign_init;
    fake.f[SIGN] = sign;
  }
  *out = &fake;
  return 0;
}
