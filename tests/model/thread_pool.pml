/* The protocol of ThreadPool: parts taken, phases ended, jobs posted, threads asleep and woken.
 *
 * Over all interleavings of THREADS threads, JOBS jobs of PHASES phases and the pool's end: every part
 * of every phase runs once, when the phase before is over and before its job's run() has returned, and
 * nobody sleeps for ever. Memory is taken to be sequentially consistent.
 *
 * run.sh checks that, and that each mistake below is found. Names are those of thread_pool.cpp.
 */
#ifndef THREADS
#define THREADS 2
#endif
#ifndef JOBS
#define JOBS 3
#endif
#ifndef PHASES
#define PHASES 2
#endif
#define ALL_PHASES (JOBS * PHASES)

byte taken[THREADS];
byte done_, completed, posted, ended;
byte job_first = 1, job_phases;      /* under the mutex */
bool stopping;                       /* likewise */
byte alive;                          /* the job whose run() has not returned, from 1 on */
byte ran[(ALL_PHASES + 1) * THREADS];
bool asleep_posted[THREADS], asleep_completed[THREADS];

/* std::atomic::wait compares and sleeps in one step, and compares again when it is woken. */
inline sleep(word, old, asleep) {
  do
  :: atomic { word != old -> break }
  :: atomic { word == old -> asleep = true }
     !asleep
  od
}

inline wake_workers() {
  atomic {
    k = 0;
    do
    :: k < THREADS -> asleep_posted[k] = false; k++
    :: else -> break
    od
  }
}

inline wake_waiting() {
  atomic {
    k = 0;
    do
    :: k < THREADS -> asleep_completed[k] = false; k++
    :: else -> break
    od
  }
}

inline post(stop) {
  atomic {
    stopping = stop;
    job_first = job_first + job_phases;
    job_phases = (stop -> 0 : PHASES);
    first = job_first;
    phases = job_phases;
    posted++
  }
  wake_workers()
}

inline run_part() {
  assert(alive == (phase - 1) / PHASES + 1);
  assert(done_ >= (phase - 1) * THREADS);
  ran[phase * THREADS + part]++;
  assert(ran[phase * THREADS + part] == 1);
  assert(done_ < phase * THREADS)
}

inline finish_part() {
  atomic { done_++; number = done_ }
  if
  :: number >= phase * THREADS -> completed++; wake_waiting()
  :: else
  fi
}

inline wait_for() {
  do
  :: done_ >= phase * THREADS -> break
  :: number = completed;
#ifndef SLEEPS_WITHOUT_LOOKING_AGAIN
     if
     :: done_ >= phase * THREADS -> break
     :: else
     fi;
#endif
     sleep(completed, number, asleep_completed[me])
  od
}

inline work_on() {
  i = 0;
  do
  :: i < phases ->
     phase = first + i;
     p = 0;
     do
     :: p < THREADS ->
        part = (me + p) % THREADS;
        last = taken[part];
        if
#ifdef TAKES_WHAT_IS_OVER
        :: last != phase ->
#else
        :: last < phase ->
#endif
#ifdef TAKES_WITHOUT_COMPARING
           taken[part] = phase; run_part(); finish_part()
#else
           if
           :: atomic { taken[part] == last -> taken[part] = phase } run_part(); finish_part()
           :: atomic { taken[part] != last }
           fi
#endif
        :: else
        fi;
        p++
     :: else -> break
     od;
#ifndef ENTERS_A_PHASE_EARLY
     wait_for();
#endif
     i++
  :: else -> break
  od
}

proctype worker(byte me) {
  byte seen, first, phases, phase, part, last, number, i, p, k;
  do
  :: sleep(posted, seen, asleep_posted[me]);
     atomic {
       if
       :: stopping -> break
       :: else -> first = job_first; phases = job_phases; seen = posted
       fi
     }
     work_on()
  od;
  atomic { ended++ }
}

active proctype caller() {
  byte me, first, phases, phase, part, last, number, i, p, k, job;
  atomic {
    i = 1;
    do
    :: i < THREADS -> run worker(i); i++
    :: else -> break
    od
  }
  do
  :: job < JOBS ->
     job++;
     alive = job;
     post(false);
     work_on();
     i = 0;
     do
     :: i < PHASES * THREADS ->
        assert(ran[first * THREADS + i] == 1);
        i++
     :: else -> break
     od;
     alive = 0
  :: else -> break
  od;
  post(true);
  ended == THREADS - 1
}
