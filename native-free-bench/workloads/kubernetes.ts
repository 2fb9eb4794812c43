import { kubernetes } from './shared/kubernetes.ts'

export default kubernetes(10_000, {
  title: 'Cluster mix from a Kubernetes API, all of 10,000 Services',
  shows: 'names that are seldom asked twice in a short time, and the search path walk',
  order: 'random',
})
