// The clock of the tests under Node: `tick` lets time pass, `sleep` too, but nothing runs.
const real = { Date: globalThis.Date, setTimeout, setInterval, clearTimeout, clearInterval };

export class Clock {
  ms = 1_000_000;
  timers = new Map();
  numbers = 0;
  install() {
    const clock = this;
    const forget = id => clock.timers.delete(id);
    Object.assign(globalThis, {
      Date: class extends real.Date { static now() { return clock.ms; } },
      setTimeout: (act, ms) => clock.add(act, ms),
      setInterval: (act, ms) => clock.add(act, ms, ms),
      clearTimeout: forget, clearInterval: forget });
  }
  remove() {
    Object.assign(globalThis, real);
  }
  add(act, ms, every) {
    this.timers.set(++this.numbers, { act, at: this.ms + ms, every });
    return this.numbers;
  }
  sleep(ms) {
    this.ms += ms;
  }
  tick(ms) {
    const until = this.ms + ms;
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= until)
        .sort(([, one], [, other]) => one.at - other.at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.ms = Math.max(this.ms, timer.at);
      if (timer.every) timer.at = this.ms + timer.every;
      else this.timers.delete(id);
      timer.act();
    }
    this.ms = until;
  }
}
