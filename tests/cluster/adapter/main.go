// Command adapter is prometheus-adapter for custom metrics alone: its own main does not compile
// with the versions of Kubernetes' packages that tests/cluster/node compiles anyway.
package main

import (
	"net/http"
	"net/url"
	"os"
	"time"

	apiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	"sigs.k8s.io/prometheus-adapter/pkg/client"
	"sigs.k8s.io/prometheus-adapter/pkg/config"
	provider "sigs.k8s.io/prometheus-adapter/pkg/custom-provider"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"
)

func main() {
	adapter := &cmd.AdapterBase{Name: "prometheus-adapter"}
	prometheus := adapter.Flags().String("prometheus-url", "", "URL of Prometheus")
	file := adapter.Flags().String("config", "", "file with the rules")
	relist := adapter.Flags().Duration("metrics-relist-interval", 10*time.Minute, "time between two lists of metrics")
	age := adapter.Flags().Duration("metrics-max-age", 10*time.Minute, "age of metrics that are listed")
	if err := adapter.Flags().Parse(os.Args); err != nil {
		klog.Fatal(err)
	}
	if err := run(adapter, *prometheus, *file, *relist, *age); err != nil {
		klog.Fatal(err)
	}
}

func run(adapter *cmd.AdapterBase, prometheus, file string, relist, age time.Duration) error {
	address, err := url.Parse(prometheus)
	if err != nil {
		return err
	}
	rules, err := config.FromFile(file)
	if err != nil {
		return err
	}
	mapper, err := adapter.RESTMapper()
	if err != nil {
		return err
	}
	kubernetes, err := adapter.DynamicClient()
	if err != nil {
		return err
	}
	namers, err := naming.NamersFromConfig(rules.Rules, mapper)
	if err != nil {
		return err
	}
	ctx := apiserver.SetupSignalContext()
	queries := client.NewClient(http.DefaultClient, address, http.Header{}, http.MethodGet)
	custom, lists := provider.NewPrometheusProvider(mapper, kubernetes, queries, namers, relist, age)
	lists.RunUntil(ctx.Done())
	adapter.WithCustomMetrics(custom)
	return adapter.Run(ctx)
}
