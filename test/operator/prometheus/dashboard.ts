/** The queries of the dashboard, as Prometheus is asked them: Grafana's variables filled in for "all". */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const shape = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
  templating: z.object({
    list: z.array(z.object({ name: z.string(), type: z.string(), definition: z.string().optional() })),
  }),
});

export interface DashboardQuery {
  readonly panel: string;
  readonly expression: string;
}

export interface Dashboard {
  readonly queries: readonly DashboardQuery[];
  /** What its variables list: metric and label. */
  readonly variables: readonly { readonly name: string; readonly metric: string; readonly label: string }[];
}

/** @param rateInterval what Grafana would make of `$__rate_interval`: four scrapes and more */
export function readDashboard(file: string, rateInterval: string): Dashboard {
  const { panels, templating } = shape.parse(JSON.parse(readFileSync(file, 'utf8')));
  const filled = (text: string) =>
    text.replaceAll('$__rate_interval', rateInterval).replaceAll(/\$(instance|vm|engine)\b/g, '.*');
  return {
    queries: panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({ panel: title, expression: filled(expr) })),
    ),
    variables: templating.list.flatMap(({ name, definition }) => {
      const [, metric, label] = /^label_values\(([^{,]+)(?:\{.*\})?, (\w+)\)$/.exec(definition ?? '') ?? [];
      return metric === undefined || label === undefined ? [] : [{ name, metric, label }];
    }),
  };
}
