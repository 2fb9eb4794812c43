import { kubernetes } from './shared/kubernetes.ts'

export default kubernetes(500, {
  title: 'Cluster mix from a Kubernetes API, 500 of 10,000 Services',
  shows: 'the names that a cluster asks for all the time, and the search path walk',
  order: 'sequence',
})
