/**
 * What Prometheus scrapes. Nothing is counted here: the mediator counts, and one snapshot of its numbers is laid out per
 * scrape. Counters are therefore set to the mediator's totals, which only grow while a vGPU exists.
 */
export { Metrics } from './scrape.js';
